#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>
#include <vector>

#include "config/address_rules.hpp"
#include "config/duration.hpp"
#include "config/text.hpp"

namespace hufu::config {
namespace {

Result<std::string> one_of(std::string_view text, const std::vector<std::string_view>& known) {
  if (std::find(known.begin(), known.end(), text) != known.end()) return std::string(text);
  return fail(Fault::config, quoted(text) + " is none of: " + listed(known),
              "Write one of them, in lower case");
}

Result<std::string> check_log_level(std::string_view text) {
  return one_of(text, {"trace", "debug", "info", "warn", "error"});
}

Result<std::string> check_log_format(std::string_view text) {
  return one_of(text, {"text", "json"});
}

Result<std::string> check_format(std::string_view text) { return one_of(text, {"raw", "json"}); }

Result<std::string> not_empty(std::string_view text) {
  if (!text.empty()) return std::string(text);
  return fail(Fault::config, "it is empty", "Leave it out to get its default");
}

/// One line of a table. `Place` is a lambda without captures that names the value.
template <class Target, class Place>
constexpr Field<Target> line(std::string_view name, Place, std::string_view environment,
                             std::string_view flag, std::string_view meaning, Rule rule = {}) {
  return {name,
          [](Target& target) { return Slot(Place{}(target)); },
          [](const Target& target) { return View(Place{}(target)); },
          environment,
          flag,
          meaning,
          rule};
}

template <class... Parts>
constexpr Field<Config> set(Parts&&... parts) {
  return line<Config>(std::forward<Parts>(parts)...);
}
constexpr Rule range(std::int64_t low, std::int64_t high) { return {nullptr, low, high}; }
constexpr std::int64_t kKibi = 1024;
constexpr Rule kSpan = range(0, kLongestDuration.count());
constexpr Rule kPatience = range(100, 3'600'000);

constexpr std::array kSettings = {
    set(
        "listen", [](auto& c) { return &c.listen; }, "HUFU_LISTEN", "--listen",
        "HOST:PORT the server listens on", Rule{check_listen}),
    set(
        "store", [](auto& c) { return &c.store; }, "HUFU_STORE", "--store",
        "URI of the database: sqlite:PATH, postgresql://…, mongodb://…, redis://… or memory:",
        Rule{not_empty}),
    set(
        "key_file", [](auto& c) { return &c.key_file; }, "HUFU_KEY_FILE", "--key-file",
        "file with the key that seals secrets and tokens at rest", Rule{not_empty}),
    set(
        "base_path", [](auto& c) { return &c.base_path; }, "", "--base-path",
        "prefix before every route", Rule{check_base_path}),
    set(
        "log_level", [](auto& c) { return &c.log_level; }, "HUFU_LOG_LEVEL", "--log-level",
        "what is logged: trace, debug, info, warn or error", Rule{check_log_level}),
    set(
        "log_format", [](auto& c) { return &c.log_format; }, "HUFU_LOG_FORMAT", "--log-format",
        "how it is logged: text or json", Rule{check_log_format}),
    set(
        "threads", [](auto& c) { return &c.threads; }, "", "--threads",
        "server threads; 0 is one a core", range(0, 1024)),

    set(
        "timing.use_slack", [](auto& c) { return &c.timing.use_slack; }, "", "",
        "a token with less than this left is not handed out", kSpan),
    set(
        "timing.refresh_ahead", [](auto& c) { return &c.timing.refresh_ahead; }, "", "",
        "how long before its end a token is renewed", kSpan),
    set(
        "timing.overlap", [](auto& c) { return &c.timing.overlap; }, "", "",
        "how long the platform keeps a displaced token alive", kSpan),
    set(
        "timing.lease", [](auto& c) { return &c.timing.lease; }, "", "",
        "how long one process may take for one renewal", kSpan),
    set(
        "timing.request_timeout", [](auto& c) { return &c.timing.request_timeout; }, "", "",
        "how long one call to the platform may take", kSpan),

    set(
        "server.max_header_bytes", [](auto& c) { return &c.limits.header_bytes; }, "", "",
        "largest header of a request", range(kKibi, 1024 * kKibi)),
    set(
        "server.max_body_bytes", [](auto& c) { return &c.limits.body_bytes; }, "", "",
        "largest body of a request", range(kKibi, 64 * 1024 * kKibi)),
    set(
        "server.max_connections", [](auto& c) { return &c.limits.connections; }, "", "",
        "connections that may be open at once", range(1, 1'000'000)),
    set(
        "server.idle_timeout", [](auto& c) { return &c.limits.idle; }, "", "",
        "how long a connection may rest between two requests", kPatience),
    set(
        "server.read_timeout", [](auto& c) { return &c.limits.request; }, "", "",
        "how long a request may take from its first byte to its last", kPatience),
};

constexpr std::array kPlatformFields = {
    line<PlatformConfig>(
        "base_url", [](auto& p) { return &p.base_url; }, "WECHAT_BASE_URL", "",
        "URL of the platform", Rule{check_base_url}),
    line<PlatformConfig>(
        "allow_http", [](auto& p) { return &p.allow_http; }, "", "",
        "lets base_url be plain http:// to another machine"),
};

constexpr std::array kAppFields = {
    line<AppConfig>(
        "id", [](auto& a) { return &a.id; }, "WECHAT_APPID", "", "the platform's AppID"),
    line<AppConfig>(
        "platform", [](auto& a) { return &a.platform; }, "", "", "the platform it is an app of"),
    line<AppConfig>(
        "secret_login", [](auto& a) { return &a.secret_login; }, "", "",
        "whether the app's real secret opens the routes of the platform itself"),
    line<AppConfig>(
        "legacy_document", [](auto& a) { return &a.legacy_document; }, "", "",
        "name of the document that programs before Hufu read, kept up to date (MongoDB only)"),
    line<AppConfig>(
        "legacy_collection", [](auto& a) { return &a.legacy_collection; }, "", "",
        "the collection of that document; tokens where it is left out"),
};

constexpr std::array kSinkFields = {
    line<SinkConfig>(
        "redis", [](auto& s) { return &s.redis; }, "", "", "URI of a Redis", Rule{not_empty}),
    line<SinkConfig>(
        "sdk", [](auto& s) { return &s.sdk; }, "", "", "whose keys are written", Rule{not_empty}),
    line<SinkConfig>(
        "prefix", [](auto& s) { return &s.prefix; }, "", "", "what that SDK's keys begin with",
        Rule{not_empty}),
    line<SinkConfig>(
        "key", [](auto& s) { return &s.key; }, "", "", "a key of one's own", Rule{not_empty}),
    line<SinkConfig>(
        "file", [](auto& s) { return &s.file; }, "", "", "path of a file", Rule{not_empty}),
    line<SinkConfig>(
        "format", [](auto& s) { return &s.format; }, "", "", "raw or json", Rule{check_format}),
};

/// "1024 to 65536", or the same in lengths of time.
std::string span_of(const Rule& rule, bool duration) {
  auto text = [&](std::int64_t value) {
    return duration ? format_duration(Milliseconds(value)) : std::to_string(value);
  };
  return text(rule.low) + " to " + text(rule.high);
}

Result<void> in_range(std::int64_t value, const Rule& rule, std::string_view text, bool duration) {
  if (value >= rule.low && value <= rule.high) return {};
  return fail(Fault::config, std::string(text) + " is out of range",
              "Write " + span_of(rule, duration));
}

struct Reader {
  std::string_view text;
  const Rule& rule;

  Result<void> operator()(std::string* slot) const {
    for (char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        return fail(Fault::config, "it holds control characters", "Write plain text");
      }
    }
    if (rule.text == nullptr) {
      *slot = text;
      return {};
    }
    auto normal = rule.text(text);
    if (!normal) return tl::unexpected(std::move(normal.error()));
    *slot = std::move(*normal);
    return {};
  }

  Result<void> operator()(Milliseconds* slot) const {
    auto value = parse_duration(text);
    if (!value) return tl::unexpected(std::move(value.error()));
    auto checked = in_range(value->count(), rule, text, true);
    if (checked) *slot = *value;
    return checked;
  }

  template <class Number>
  Result<void> operator()(Number* slot) const {
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(Fault::config, quoted(text) + " is not a whole number",
                  "Write " + span_of(rule, false));
    }
    auto checked = in_range(value, rule, text, false);
    if (checked) *slot = static_cast<Number>(value);
    return checked;
  }

  Result<void> operator()(bool* slot) const {
    if (text != "true" && text != "false") {
      return fail(Fault::config, quoted(text) + " is neither true nor false", "Write one of them");
    }
    *slot = text == "true";
    return {};
  }
};

}  // namespace

std::span<const Field<Config>> settings() { return kSettings; }
std::span<const Field<PlatformConfig>> platform_fields() { return kPlatformFields; }
std::span<const Field<AppConfig>> app_fields() { return kAppFields; }
std::span<const Field<SinkConfig>> sink_fields() { return kSinkFields; }

const Field<Config>* setting(std::string_view name) {
  auto found = std::find_if(kSettings.begin(), kSettings.end(),
                            [&](const auto& field) { return field.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

Result<void> read_value(const Slot& slot, const Rule& rule, std::string_view text) {
  return std::visit(Reader{text, rule}, slot);
}

std::string show_value(const View& view) {
  return std::visit(
      [](const auto* value) -> std::string {
        using Value = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<Value, std::string>)
          return *value;
        else if constexpr (std::is_same_v<Value, Milliseconds>)
          return format_duration(*value);
        else if constexpr (std::is_same_v<Value, bool>)
          return *value ? "true" : "false";
        else
          return std::to_string(*value);
      },
      view);
}

std::string_view type_of(const View& view) {
  static constexpr std::string_view kTypes[] = {"text", "duration", "integer", "integer",
                                                "boolean"};
  return kTypes[view.index()];
}

}  // namespace hufu::config
