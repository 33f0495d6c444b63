#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// The description of a platform that the configuration defines. One that makes no sense
/// (`check_custom_platform`) becomes a description that makes none either, but a whole one.
///
/// Its settings are what its placeholders name: required in a path, optional in a parameter.
PlatformDescription describe(std::string_view name, const CustomPlatform& custom);

/// Something that is wrong with a platform of the configuration.
struct PlatformProblem {
  std::string key;  ///< The one to blame, "path" or "probe.method"; empty: the platform as a whole.
  Error error;      ///< Fault::config, with a next step; repeats no URL.
};

/// What is wrong with `config.custom` (which must be there), by nothing but itself; in the
/// order in which the keys are documented. URLs are left to `address_of`, and how its times go
/// together with others to `config::check_timing`.
std::vector<PlatformProblem> check_custom_platform(std::string_view name,
                                                   const PlatformConfig& config);

}  // namespace hufu::platform
