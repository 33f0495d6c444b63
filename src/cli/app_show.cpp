#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "-" : text;
}

std::string listed(const Settings& settings) {
  std::string text;
  for (const auto& [name, value] : settings)
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  return text.empty() ? "the platform's defaults" : text;
}

ExitStatus show(const std::string& id, const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto app = (*backend)->app(id);
  if (!app) return context.fail(app.error());

  if (context.json) {
    context.out() << server::to_json(*app) << '\n';
    return ExitStatus::done;
  }
  context.out() << "app           " << printable(app->id) << '\n'
                << "platform      " << printable(app->platform) << '\n'
                << "settings      " << printable(listed(app->settings)) << '\n'
                << "credentials   " << printable(listed(app->credentials))
                << ": kept, and never shown\n";
  if (!app->parent.empty()) context.out() << "parent        " << printable(app->parent) << '\n';
  if (!app->keep.empty()) context.out() << "keeps         " << printable(listed(app->keep)) << '\n';
  context.out() << "secret login  " << (app->secret_login ? "yes" : "no") << '\n'
                << "origin        " << (app->from_config ? "config" : "store") << '\n';
  if (!app->legacy_document.empty()) {
    context.out() << "legacy        " << printable(app->legacy_collection) << " / "
                  << printable(app->legacy_document) << ", in the clear\n";
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto id = std::make_shared<std::string>();
  parameters.argument("APP", *id, "Which app").required();
  return [id, &context] { return show(*id, context); };
}

}  // namespace

extern const Command kAppShow;
constinit const Command kAppShow = {
    "app show",
    "Shows one app, without its secret",
    "hufu app show wx0123456789abcdef",
    declare,
};

}  // namespace hufu::cli
