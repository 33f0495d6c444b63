#include "platform/app_check.hpp"

#include <algorithm>
#include <utility>

#include "core/text.hpp"
#include "platform/usual_form.hpp"

namespace hufu::platform {
namespace {

constexpr std::size_t kLongestId = 128;
constexpr std::size_t kLongestSetting = 1024;

bool contains(const std::vector<std::string_view>& among, std::string_view name) {
  return std::find(among.begin(), among.end(), name) != among.end();
}

AppProblem problem(std::string key, std::string message, std::string next_step) {
  return {std::move(key), Error{Fault::usage, std::move(message), std::move(next_step), {}, {}}};
}

template <class Described>
std::vector<std::string_view> names_of(const std::vector<Described>& described) {
  std::vector<std::string_view> names;
  for (const Described& each : described) names.push_back(each.name);
  return names;
}

/// What is wrong with the value of a setting.
std::optional<AppProblem> check_value(const PlatformDescription& platform,
                                      const SettingDescription& setting, std::string_view value) {
  if (!setting.values.empty() && !value.empty()) {
    const std::vector<std::string_view> known(setting.values.begin(), setting.values.end());
    if (contains(known, value)) return std::nullopt;
    return problem(setting.name,
                   "unknown " + setting.name + " of " + platform.name + " " + quoted(value),
                   suggestion(value, known));
  }
  const bool one_line = std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  // In a path, these two would lead elsewhere.
  if (one_line && value.size() <= kLongestSetting && value != "." && value != "..") {
    return std::nullopt;
  }
  return problem(setting.name, quoted(value) + " is not a value of a setting",
                 "Use one line of at most " + std::to_string(kLongestSetting) + " bytes");
}

class Check {
 public:
  Check(const PlatformDescription& platform, const AppConfig& app)
      : platform_(platform), app_(app) {}

  std::vector<AppProblem> problems() && {
    check_settings();
    check_credentials();
    check_kinds();
    check_parent();
    return std::move(problems_);
  }

 private:
  void check_settings() {
    for (const auto& [name, value] : app_.settings) {
      const SettingDescription* setting = find_setting(platform_, name);
      if (setting == nullptr) {
        problems_.push_back(unknown("setting", name, names_of(platform_.settings)));
      } else if (auto wrong = check_value(platform_, *setting, value)) {
        problems_.push_back(*std::move(wrong));
      }
    }
    for (const SettingDescription& setting : platform_.settings) {
      const bool missing =
          setting.required && effective_setting(platform_, app_.settings, setting.name).empty();
      if (!missing) continue;
      problems_.push_back(problem(setting.name,
                                  "it has no " + setting.name + ", which " + platform_.name +
                                      " needs as " + setting.meaning,
                                  "Write " + setting.name + " = \"…\""));
    }
  }

  void check_credentials() {
    for (const auto& [name, secret] : app_.credentials) {
      if (find_credential(platform_, name) != nullptr) continue;
      problems_.push_back(unknown("credential", name, names_of(platform_.credentials)));
    }
  }

  void check_kinds() {
    const auto kinds = kind_names(platform_);
    for (const std::string& kind : app_.keep) {
      if (contains(kinds, kind)) continue;
      problems_.push_back(problem("keep", "an app of " + platform_.name + " has no " + quoted(kind),
                                  suggestion(kind, kinds)));
    }
  }

  void check_parent() {
    if (platform_.parent.empty() == app_.parent.empty()) return;
    problems_.push_back(app_.parent.empty()
                            ? problem("", "it has no parent, an app of " + platform_.parent,
                                      "Write parent = \"…\", that app's id")
                            : problem("parent",
                                      "an app of " + platform_.name + " belongs to no other",
                                      "Leave it out"));
  }

  [[nodiscard]] AppProblem unknown(const std::string& what, const std::string& name,
                                   const std::vector<std::string_view>& known) const {
    const std::string of = what + " of " + platform_.name;
    return problem(name, "unknown " + of + " " + quoted(name),
                   known.empty() ? "Leave it out: there is none" : suggestion(name, known));
  }

  const PlatformDescription& platform_;
  const AppConfig& app_;
  std::vector<AppProblem> problems_;
};

}  // namespace

bool is_app_name(std::string_view name) noexcept {
  return std::find(kAppNames.begin(), kAppNames.end(), name) != kAppNames.end();
}

std::vector<std::string_view> app_names(const PlatformDescription& platform) {
  std::vector<std::string_view> names(kAppNames.begin(), kAppNames.end());
  for (const SettingDescription& each : platform.settings) names.push_back(each.name);
  for (const CredentialDescription& each : platform.credentials) names.push_back(each.name);
  return names;
}

Result<void> check_app_id(std::string_view id) {
  const bool printable =
      std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~' && c != '/'; });
  const bool leads_elsewhere = id == "." || id == "..";
  if (!id.empty() && id.size() <= kLongestId && printable && !leads_elsewhere) return {};
  return fail(Fault::usage, quoted(id) + " is not an app id",
              "Use 1 to 128 printable ASCII characters without spaces and slashes; the platform's "
              "console shows it as AppID");
}

Error named(AppProblem problem) {
  Error error = std::move(problem.error);
  if (!problem.key.empty()) error.message = problem.key + ": " + error.message;
  return error;
}

std::vector<AppProblem> check_app(const Catalog& catalog, const AppConfig& app) {
  std::vector<AppProblem> problems;
  if (auto good = check_app_id(app.id); !good) problems.push_back({"id", good.error()});
  const PlatformDescription* platform = catalog.find(app.platform);
  if (platform == nullptr) {
    problems.push_back(problem("platform", "unknown platform " + quoted(app.platform),
                               suggestion(app.platform, catalog.names())));
    return problems;
  }
  for (AppProblem& each : Check(*platform, app).problems()) problems.push_back(std::move(each));
  return problems;
}

std::optional<AppProblem> missing_credential(const PlatformDescription& platform,
                                             const Credentials& credentials) {
  for (const CredentialDescription& each : platform.credentials) {
    if (!each.required || !credential(credentials, each.name).empty()) continue;
    return problem(
        each.name, "it has no " + each.name,
        "Write " + each.name + " = { env = \"NAME\" } or " + each.name + " = { file = \"PATH\" }");
  }
  return std::nullopt;
}

std::vector<AppProblem> find_damage_in(const PlatformDescription& platform, const AppConfig& app) {
  std::vector<AppProblem> problems;
  auto look_at = [&](const std::string& key, std::string_view text, const UsualForm& usual) {
    auto damage = find_damage(text, usual);
    if (!damage) return;
    problems.push_back(
        problem(key, "it looks damaged: " + damage->message, std::move(damage->next_step)));
  };
  look_at("id", app.id, platform.id);
  for (const auto& [name, secret] : app.credentials) {
    const CredentialDescription* described = find_credential(platform, name);
    if (described != nullptr && !secret.empty()) look_at(name, secret.reveal(), described->form);
  }
  return problems;
}

}  // namespace hufu::platform
