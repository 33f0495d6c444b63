#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

ExitStatus list(const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto apps = (*backend)->apps();
  if (!apps) return context.fail(apps.error());

  if (context.json) {
    std::string text = R"({"apps":[)";
    for (const keeper::AppInfo& app : *apps) {
      if (text.back() != '[') text += ',';
      server::append_json(text, app);
    }
    context.out() << text << "]}\n";
    return ExitStatus::done;
  }
  Table table({"APP", "PLATFORM", "ENDPOINT", "SECRET LOGIN", "ORIGIN"});
  for (const keeper::AppInfo& app : *apps) {
    table.add({app.id, app.platform, std::string(setting(app.settings, "endpoint")),
               app.secret_login ? "yes" : "no", app.from_config ? "config" : "store"});
  }
  table.print(context.out(), context.out_paint());
  if (apps->empty()) context.note(no_app_yet().message, no_app_yet().next_step);
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return list(context); };
}

}  // namespace

extern const Command kAppList;
constinit const Command kAppList = {
    "app list",
    "Lists the apps of the configuration and of the store",
    "hufu app list\nhufu app list --json",
    declare,
};

}  // namespace hufu::cli
