#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

using TextList = std::vector<std::string>;
using TextTable = std::map<std::string, std::string, std::less<>>;

/// Where a value lies, and with that its type: text, length of time (which may be left open),
/// number, yes and no, a list of texts, or texts by name.
using Slot = std::variant<std::string*, Milliseconds*, std::optional<Milliseconds>*, std::size_t*,
                          int*, bool*, TextList*, TextTable*>;
using View =
    std::variant<const std::string*, const Milliseconds*, const std::optional<Milliseconds>*,
                 const std::size_t*, const int*, const bool*, const TextList*, const TextTable*>;

/// What a value must obey by itself. Rules between two values stand in timing_rules.hpp and
/// load.cpp.
struct Rule {
  /// Checks a text, or each of a list, and brings it into its normal form; null: any text.
  Result<std::string> (*text)(std::string_view) = nullptr;
  std::int64_t low = 0;  ///< Of a number, or of a length of time in milliseconds.
  std::int64_t high = INT64_MAX;
  bool numbers_too = false;  ///< The file may hold numbers where texts are meant, as texts.
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
/// The keys of `[platform.NAME]`, whichever platform it is.
std::span<const Field<PlatformConfig>> platform_fields();
/// The keys of `[platform.NAME.timing]`.
std::span<const Field<TimingOverrides>> timing_fields();
/// The keys of `[platform.NAME]` that describe a platform of one's own.
std::span<const Field<CustomPlatform>> custom_platform_fields();
/// The keys of its `probe`.
std::span<const Field<CustomProbe>> probe_fields();
/// The keys of `[[app]]`, whatever its platform. Its settings and credentials are the catalog's to
/// name; they and `sink` have forms of their own and are not among them.
std::span<const Field<AppConfig>> app_fields();
/// The keys of `[[app.sink]]`; `password` has a form of its own and is not among them.
std::span<const Field<SinkConfig>> sink_fields();

/// The setting of that name; null if there is none.
const Field<Config>* setting(std::string_view name);

/// Reads `text` into `slot`, which keeps what it held where that fails (Fault::config). A list or a
/// table has no form as one text.
Result<void> read_value(const Slot& slot, const Rule& rule, std::string_view text);

/// Checks each text, and puts them into `slot` in the place of what it held.
Result<void> read_list(TextList& slot, const Rule& rule, const TextList& texts);
Result<void> read_table(TextTable& slot, const Rule& rule, const TextTable& texts);

/// In the form that the file has it in, but for quotation marks around a single text. Empty where
/// nothing is said.
std::string show_value(const View& view);

/// "text", "duration", "integer", "boolean", "list" or "table".
std::string_view type_of(const View& view);

}  // namespace hufu::config
