#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// Where a value lies, and with that its type: text, length of time, number, or yes and no.
using Slot = std::variant<std::string*, Milliseconds*, std::size_t*, int*, bool*>;
using View = std::variant<const std::string*, const Milliseconds*, const std::size_t*, const int*,
                          const bool*>;

/// What a value must obey by itself. Rules between two values stand in timing_rules.hpp and
/// load.cpp.
struct Rule {
  /// Checks a text and brings it into its normal form; null: any text.
  Result<std::string> (*text)(std::string_view) = nullptr;
  std::int64_t low = 0;  ///< Of a number, or of a length of time in milliseconds.
  std::int64_t high = INT64_MAX;
};

/// One value that can be configured. The tables below are the only place that knows them: the file,
/// the environment, the flags, `config show` and the reference page all follow these tables.
template <class Target>
struct Field {
  std::string_view name;  ///< As in the file, sections included: "timing.lease".
  Slot (*slot)(Target&);
  View (*view)(const Target&);
  std::string_view environment;  ///< A variable's name, or empty.
  std::string_view flag;         ///< "--store", or empty.
  std::string_view meaning;      ///< One line, for `--help`.
  Rule rule;
};

/// Everything but platforms and apps.
std::span<const Field<Config>> settings();
/// The keys of `[platform.NAME]`.
std::span<const Field<PlatformConfig>> platform_fields();
/// The keys of `[[app]]`; `secret` and `sink` have forms of their own and are not among them.
std::span<const Field<AppConfig>> app_fields();
/// The keys of `[[app.sink]]`; `password` has a form of its own and is not among them.
std::span<const Field<SinkConfig>> sink_fields();

/// The setting of that name; null if there is none.
const Field<Config>* setting(std::string_view name);

/// Reads `text` into `slot`, which keeps what it held where that fails (Fault::config).
Result<void> read_value(const Slot& slot, const Rule& rule, std::string_view text);

/// In the form that `read_value` reads back.
std::string show_value(const View& view);

/// "text", "duration", "integer" or "boolean".
std::string_view type_of(const View& view);

}  // namespace hufu::config
