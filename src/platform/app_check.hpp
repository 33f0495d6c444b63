#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "platform/catalog.hpp"

namespace hufu::platform {

/// The names of an app's values that every platform has: in the file's `[[app]]` and in
/// `PUT /v1/apps/{app}` alike. Beside them stand the settings and credentials of its platform. Only
/// the file may have `sink`.
inline constexpr std::array<std::string_view, 8> kAppNames = {
    "id",  "platform", "parent", "keep", "secret_login", "legacy_document", "legacy_collection",
    "sink"};

/// Whether `name` is one of kAppNames, so that no setting can be called that.
bool is_app_name(std::string_view name) noexcept;

/// All names that an app of the platform may have: kAppNames, settings, credentials.
std::vector<std::string_view> app_names(const PlatformDescription& platform);

/// 1 to 128 printable ASCII characters without spaces and slashes, and neither "." nor "..", so
/// that an id fits a URL path and a log line as it is. Fault::usage.
Result<void> check_app_id(std::string_view id);

/// Something that is wrong with an app.
struct AppProblem {
  std::string key;  ///< The one of its names to blame, "endpoint"; empty: the app as a whole.
  Error error;      ///< Fault::usage, with a next step; repeats no credential.
};

/// The error, which says first what it is about: "endpoint: …".
Error named(AppProblem problem);

/// Everything in `app` that its platform's description says no to: names, values, kinds, parent.
/// Whether the parent exists is not known here, nor which credentials are kept already
/// (`missing_credential`).
std::vector<AppProblem> check_app(const Catalog& catalog, const AppConfig& app);

/// The first credential that an app of the platform must have, and that is not among these.
std::optional<AppProblem> missing_credential(const PlatformDescription& platform,
                                             const Credentials& credentials);

/// What looks damaged in `app` by the usual forms of its platform: its id and its credentials, none
/// of them shown. An app is not refused for that. `key` as in AppProblem.
std::vector<AppProblem> find_damage_in(const PlatformDescription& platform, const AppConfig& app);

}  // namespace hufu::platform
