#include <algorithm>
#include <memory>
#include <ostream>
#include <string>

#include "cli/command.hpp"
#include "platform/catalog.hpp"
#include "platform/catalog_json.hpp"

namespace hufu::cli {
namespace {

/// "stable or classic", "any text".
std::string values_of(const platform::SettingDescription& setting) {
  std::string values;
  for (const std::string& value : setting.values) values += (values.empty() ? "" : " or ") + value;
  return values.empty() ? "any text" : values;
}

/// "access_token of the app itself, …"
std::string needs_of(const platform::KindDescription& kind) {
  std::string needs;
  for (const Need& need : kind.needs) {
    needs += (needs.empty() ? "" : ", ") + need.kind;
    if (need.of == Need::Of::parent) needs += " of the parent";
  }
  return needs.empty() ? "-" : needs;
}

void print(const platform::PlatformDescription& platform, const Context& context) {
  std::ostream& out = context.out();
  out << platform.name << "  " << platform.title << '\n';
  Table kinds({"KIND", "RENEWAL", "NEEDS", "ISSUER"});
  for (const platform::KindDescription& kind : platform.kinds) {
    kinds.add({kind.name, std::string(platform::name_of(kind.rule.shape)), needs_of(kind),
               platform::issuer_name(platform, kind)});
  }
  kinds.print(out, context.out_paint());
  if (platform.settings.empty() && platform.credentials.empty()) return;
  Table values({"NAME", "IS", "VALUES", "MEANING"});
  for (const platform::SettingDescription& setting : platform.settings) {
    values.add({setting.name, "setting", values_of(setting), setting.meaning});
  }
  for (const platform::CredentialDescription& credential : platform.credentials) {
    values.add({credential.name, credential.required ? "credential" : "credential, optional", "-",
                credential.meaning});
  }
  values.print(out, context.out_paint());
}

ExitStatus show(const std::string& name, const Context& context) {
  auto loaded = context.config();
  if (!loaded) return context.fail(loaded.error());
  const platform::Catalog catalog(loaded->config);
  if (!name.empty()) {
    auto found = catalog.platform(name);
    if (!found) return context.fail(found.error());
    if (context.json) {
      context.out() << platform::to_json(**found) << '\n';
    } else {
      print(**found, context);
    }
    return ExitStatus::done;
  }
  if (context.json) {
    context.out() << platform::to_json(catalog) << '\n';
    return ExitStatus::done;
  }
  bool first = true;
  for (const platform::PlatformDescription& platform : catalog.platforms()) {
    if (!std::exchange(first, false)) context.out() << '\n';
    print(platform, context);
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto name = std::make_shared<std::string>();
  parameters.argument("PLATFORM", *name, "Which one; all where it is left out");
  return [name, &context] { return show(*name, context); };
}

}  // namespace

extern const Command kPlatforms;
constinit const Command kPlatforms = {
    "platforms",
    "Shows what can be kept: platforms, their settings, credentials and kinds",
    "hufu platforms\nhufu platforms wechat\nhufu platforms --json",
    declare,
};

}  // namespace hufu::cli
