#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "platform/catalog.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

/// Its settings by name, defaults included.
std::string settings_of(const keeper::AppInfo& app, const platform::Catalog& catalog) {
  Settings shown = app.settings;
  if (const platform::PlatformDescription* platform = catalog.find(app.platform)) {
    for (const platform::SettingDescription& setting : platform->settings) {
      const auto value = platform::effective_setting(*platform, app.settings, setting.name);
      if (!value.empty()) shown.insert_or_assign(setting.name, std::string(value));
    }
  }
  std::string text;
  for (const auto& [name, value] : shown) text += (text.empty() ? "" : " ") + name + "=" + value;
  return text.empty() ? "-" : text;
}

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
  const auto loaded = context.config();
  const auto catalog = loaded ? platform::Catalog(loaded->config) : platform::Catalog();
  Table table({"APP", "PLATFORM", "SETTINGS", "SECRET LOGIN", "ORIGIN"});
  for (const keeper::AppInfo& app : *apps) {
    table.add({app.id, app.platform, settings_of(app, catalog), app.secret_login ? "yes" : "no",
               app.from_config ? "config" : "store"});
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
