#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>
#include <vector>

#include "config/address_rules.hpp"
#include "config/duration.hpp"
#include "core/text.hpp"
#include "platform/base_url.hpp"

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

Result<std::string> check_proxy(std::string_view text) { return platform::check_proxy(text); }

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
constexpr Rule kNumbersToo = {.numbers_too = true};

// Of [timing] and of [platform.NAME.timing].
constexpr std::string_view kUseSlack = "a token with less than this left is not handed out";
constexpr std::string_view kRefreshAhead = "how long before its end a token is renewed";
constexpr std::string_view kOverlap = "how long the platform keeps a displaced token alive";
constexpr std::string_view kLease = "how long one process may take for one renewal";
constexpr std::string_view kRequestTimeout = "how long one call to the platform may take";

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
        "timing.use_slack", [](auto& c) { return &c.timing.use_slack; }, "", "", kUseSlack, kSpan),
    set(
        "timing.refresh_ahead", [](auto& c) { return &c.timing.refresh_ahead; }, "", "",
        kRefreshAhead, kSpan),
    set(
        "timing.overlap", [](auto& c) { return &c.timing.overlap; }, "", "", kOverlap, kSpan),
    set(
        "timing.lease", [](auto& c) { return &c.timing.lease; }, "", "", kLease, kSpan),
    set(
        "timing.request_timeout", [](auto& c) { return &c.timing.request_timeout; }, "", "",
        kRequestTimeout, kSpan),

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
        "base_url", [](auto& p) { return &p.base_url; }, "", "", "URL of the platform",
        Rule{check_base_url}),
    line<PlatformConfig>(
        "allow_http", [](auto& p) { return &p.allow_http; }, "", "",
        "lets its URLs be plain http:// to another machine"),
    line<PlatformConfig>(
        "fallback", [](auto& p) { return &p.fallback; }, "", "",
        "URLs to try where no connection can be made", Rule{check_base_url}),
    line<PlatformConfig>(
        "proxy", [](auto& p) { return &p.proxy; }, "", "", "the proxy on the way there",
        Rule{check_proxy}),
};

constexpr std::array kTimingFields = {
    line<TimingOverrides>(
        "use_slack", [](auto& t) { return &t.use_slack; }, "", "", kUseSlack, kSpan),
    line<TimingOverrides>(
        "refresh_ahead", [](auto& t) { return &t.refresh_ahead; }, "", "", kRefreshAhead, kSpan),
    line<TimingOverrides>(
        "overlap", [](auto& t) { return &t.overlap; }, "", "", kOverlap, kSpan),
    line<TimingOverrides>(
        "lease", [](auto& t) { return &t.lease; }, "", "", kLease, kSpan),
    line<TimingOverrides>(
        "request_timeout", [](auto& t) { return &t.request_timeout; }, "", "", kRequestTimeout,
        kSpan),
};

constexpr std::array kCustomPlatformFields = {
    line<CustomPlatform>(
        "path", [](auto& p) { return &p.path; }, "", "", "path of the call for a token"),
    line<CustomPlatform>(
        "method", [](auto& p) { return &p.method; }, "", "", "POST, or GET"),
    line<CustomPlatform>(
        "encoding", [](auto& p) { return &p.encoding; }, "", "", "of the body: form or json"),
    line<CustomPlatform>(
        "client_auth", [](auto& p) { return &p.client_auth; }, "", "",
        "how the app proves itself: basic or body"),
    line<CustomPlatform>(
        "client_id_name", [](auto& p) { return &p.client_id_name; }, "", "",
        "of the parameter with the app's id"),
    line<CustomPlatform>(
        "client_secret_name", [](auto& p) { return &p.client_secret_name; }, "", "",
        "of the parameter with its secret"),
    line<CustomPlatform>(
        "parameters", [](auto& p) { return &p.parameters; }, "", "", "what else the call carries",
        kNumbersToo),
    line<CustomPlatform>(
        "kind", [](auto& p) { return &p.kind; }, "", "", "what the token is called here"),
    line<CustomPlatform>(
        "token", [](auto& p) { return &p.token; }, "", "", "where the answer holds the token"),
    line<CustomPlatform>(
        "lifetime", [](auto& p) { return &p.lifetime; }, "", "",
        "where the answer holds its lifetime in seconds"),
    line<CustomPlatform>(
        "default_lifetime", [](auto& p) { return &p.default_lifetime; }, "", "",
        "where the answer names none, or 0", kSpan),
    line<CustomPlatform>(
        "longest_lifetime", [](auto& p) { return &p.longest_lifetime; }, "", "",
        "a longer one is cut to this", kSpan),
    line<CustomPlatform>(
        "error", [](auto& p) { return &p.error; }, "", "", "where the answer holds an error code"),
    line<CustomPlatform>(
        "error_text", [](auto& p) { return &p.error_text; }, "", "", "and its words"),
    line<CustomPlatform>(
        "success", [](auto& p) { return &p.success; }, "", "",
        "the code that means success, beside none", kNumbersToo),
    line<CustomPlatform>(
        "renewal", [](auto& p) { return &p.renewal; }, "", "",
        "independent, rotating, windowed or sticky"),
    line<CustomPlatform>(
        "overlap", [](auto& p) { return &p.overlap; }, "", "",
        "rotating: how long the token before lives on", kSpan),
    line<CustomPlatform>(
        "window", [](auto& p) { return &p.window; }, "", "",
        "windowed: how long before its end there is a new one", kSpan),
    line<CustomPlatform>(
        "permanent", [](auto& p) { return &p.permanent; }, "", "",
        "codes of errors that cannot heal by themselves", kNumbersToo),
};

constexpr std::array kProbeFields = {
    line<CustomProbe>(
        "path", [](auto& p) { return &p.path; }, "", "",
        "path of the call that tells whether a token works"),
    line<CustomProbe>(
        "method", [](auto& p) { return &p.method; }, "", "", "POST or GET"),
    line<CustomProbe>(
        "token", [](auto& p) { return &p.token; }, "", "", "of the parameter with the token"),
    line<CustomProbe>(
        "active", [](auto& p) { return &p.active; }, "", "", "where the answer says true or false"),
    line<CustomProbe>(
        "dead", [](auto& p) { return &p.dead; }, "", "",
        "error codes and HTTP statuses that mean a dead token", kNumbersToo),
};

constexpr std::array kAppFields = {
    line<AppConfig>(
        "id", [](auto& a) { return &a.id; }, "", "", "its id at the platform"),
    line<AppConfig>(
        "platform", [](auto& a) { return &a.platform; }, "", "", "the platform it is an app of"),
    line<AppConfig>(
        "parent", [](auto& a) { return &a.parent; }, "", "", "the app that it belongs to"),
    line<AppConfig>(
        "keep", [](auto& a) { return &a.keep; }, "", "",
        "kinds that are kept ahead, beside the main one"),
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
        "kind", [](auto& s) { return &s.kind; }, "", "", "which token goes there", Rule{not_empty}),
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

  Result<void> operator()(std::optional<Milliseconds>* slot) const {
    Milliseconds value{};
    auto read = (*this)(&value);
    if (read) *slot = value;
    return read;
  }

  template <class Many>
  requires std::is_same_v<Many, TextList> || std::is_same_v<Many, TextTable> Result<void>
  operator()(Many* /*slot*/) const {
    return fail(Fault::config, "it is not one text", "Write it into the configuration file");
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

std::string show_many(const TextList& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + quoted(text);
  return list.empty() ? list : "[" + list + "]";
}

std::string show_many(const TextTable& texts) {
  std::string list;
  for (const auto& [name, text] : texts) {
    list += (list.empty() ? "" : ", ") + name + " = " + quoted(text);
  }
  return list.empty() ? list : "{ " + list + " }";
}

}  // namespace

std::span<const Field<Config>> settings() { return kSettings; }
std::span<const Field<PlatformConfig>> platform_fields() { return kPlatformFields; }
std::span<const Field<TimingOverrides>> timing_fields() { return kTimingFields; }
std::span<const Field<CustomPlatform>> custom_platform_fields() { return kCustomPlatformFields; }
std::span<const Field<CustomProbe>> probe_fields() { return kProbeFields; }
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

Result<void> read_list(TextList& slot, const Rule& rule, const TextList& texts) {
  TextList checked;
  for (const std::string& text : texts) {
    std::string value;
    if (auto read = read_value(&value, rule, text); !read) return read;
    checked.push_back(std::move(value));
  }
  slot = std::move(checked);
  return {};
}

Result<void> read_table(TextTable& slot, const Rule& rule, const TextTable& texts) {
  TextTable checked;
  for (const auto& [name, text] : texts) {
    if (auto read = read_value(&checked[name], rule, text); !read) return read;
  }
  slot = std::move(checked);
  return {};
}

std::string show_value(const View& view) {
  return std::visit(
      [](const auto* value) -> std::string {
        using Value = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<Value, std::string>)
          return *value;
        else if constexpr (std::is_same_v<Value, Milliseconds>)
          return format_duration(*value);
        else if constexpr (std::is_same_v<Value, std::optional<Milliseconds>>)
          return *value ? format_duration(**value) : std::string();
        else if constexpr (std::is_same_v<Value, bool>)
          return *value ? "true" : "false";
        else if constexpr (std::is_same_v<Value, TextList> || std::is_same_v<Value, TextTable>)
          return show_many(*value);
        else
          return std::to_string(*value);
      },
      view);
}

std::string_view type_of(const View& view) {
  static constexpr std::string_view kTypes[] = {"text",    "duration", "duration", "integer",
                                                "integer", "boolean",  "list",     "table"};
  return kTypes[view.index()];
}

}  // namespace hufu::config
