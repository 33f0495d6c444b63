#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

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
                << "endpoint      " << printable(std::string(setting(app->settings, "endpoint")))
                << '\n'
                << "secret        kept, and never shown\n"
                << "secret login  " << (app->secret_login ? "yes" : "no") << '\n'
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
