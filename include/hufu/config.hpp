#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu {

/// A place outside Hufu where a token of an app is kept for programs that look there: keys of a
/// Redis, or a file. The token lies there in the clear. Which members go together, the
/// configuration checks (`src/config/sink_rules.hpp`).
struct SinkConfig {
  std::string redis;  ///< URI of the Redis; empty: it is a file.
  Secret password;    ///< Of the user that `redis` names, where the URI holds none.
  /// Whose keys to write: "wxjava", for the access token and for each kind that the app keeps and
  /// the SDK knows; empty: `key`.
  std::string sdk;
  std::string prefix;  ///< What that SDK was told to begin its keys with; empty: its default.
  /// A key of one's own, "{app}" standing for the app's id and "{NAME}" for its setting of that
  /// name.
  std::string key;
  std::string file;  ///< Path of the file; empty: it is a Redis.
  std::string
      kind;  ///< Of a file or a `key`: which token; empty: that of the platform's main kind.
  std::string format = "raw";  ///< Of a file or a `key`: "raw", or "json" as `hufu get --json`.
};

/// The collection of an app's legacy document where none is named.
inline constexpr std::string_view kLegacyCollection = "tokens";

/// Names and texts that are not secret, such as "endpoint" or "corpid".
using Settings = std::map<std::string, std::string, std::less<>>;
/// What an app proves itself with, by name: "secret", "callback_token", "refresh_token" …
using Credentials = std::map<std::string, Secret, std::less<>>;

/// The text of a setting; empty where it is not set.
std::string_view setting(const Settings& settings, std::string_view name) noexcept;
/// A credential; an empty one where there is none. Valid as long as `credentials` is not changed.
const Secret& credential(const Credentials& credentials, std::string_view name) noexcept;
/// A copy on purpose.
Credentials clone(const Credentials& credentials);

/// The credential that most platforms know an app by.
inline constexpr std::string_view kSecret = "secret";

/// One account at a platform.
struct AppConfig {
  std::string id;
  std::string platform = "wechat";
  /// Which names a platform takes, and their defaults, its description says (`hufu platforms`).
  Settings settings{};
  Credentials credentials{};
  std::string parent{};             ///< The app that this one belongs to; empty: none.
  std::vector<std::string> keep{};  ///< Kinds kept ahead, beside the platform's main kind.
  /// Whether the app's real secret opens the drop-in routes, beside the keys of business servers.
  bool secret_login = true;
  /// `name` of the document that programs before Hufu read, kept up to date for them: the token in
  /// the clear. In a MongoDB store only; empty: none.
  std::string legacy_document{};
  std::string legacy_collection{};  ///< Where that document lies; empty: kLegacyCollection.
  /// Where a keeper in the background puts its tokens, too.
  std::vector<SinkConfig> sinks = {};
};

/// Lengths of time that somebody chose; what is empty is left as it is.
struct TimingOverrides {
  std::optional<Milliseconds> use_slack{};
  std::optional<Milliseconds> refresh_ahead{};
  std::optional<Milliseconds> overlap{};
  std::optional<Milliseconds> lease{};
  std::optional<Milliseconds> request_timeout{};
};

/// The cheap call that tells whether a token of a CustomPlatform works: introspection (RFC 7662),
/// or, with `dead`, any call of its API.
struct CustomProbe {
  std::string path{};
  std::string method{};  ///< "POST" or "GET"; empty: POST for introspection, GET for another call.
  /// Name of the parameter with the token; empty: "token" for introspection, which proves itself as
  /// `client_auth` says; for another call, `Authorization: Bearer`.
  std::string token{};
  std::string active{};             ///< Path into the answer of introspection; empty: "active".
  std::vector<std::string> dead{};  ///< Error codes or HTTP statuses that mean a dead token.
};

/// A platform of one's own: OAuth 2.0 client credentials (RFC 6749, 4.4), but for what is said
/// here.
///
/// "{app}" in a path or a parameter stands for the app's id, "{NAME}" for its setting of that name;
/// a parameter is left out where the setting is empty. A path into an answer is names joined by
/// dots. What goes together, `src/platform/custom_platform.hpp` checks.
struct CustomPlatform {
  std::string path = "/oauth2/token";
  std::string method = "POST";        ///< Or "GET": parameters in the query.
  std::string encoding = "form";      ///< Of the body; or "json".
  std::string client_auth = "basic";  ///< Or "body": id and secret among the parameters.
  std::string client_id_name = "client_id";
  std::string client_secret_name = "client_secret";
  std::map<std::string, std::string, std::less<>> parameters = {
      {"grant_type", "client_credentials"}, {"scope", "{scope}"}};
  std::string kind = "access_token";
  std::string token = "access_token";   ///< Path into the answer.
  std::string lifetime = "expires_in";  ///< Path into the answer.
  Milliseconds default_lifetime{0};  ///< Where the answer names none, or 0; 0: that is a failure.
  Milliseconds longest_lifetime = std::chrono::hours(24 * 30);
  std::string error = "error";  ///< Path of the error code.
  std::string error_text = "error_description";
  std::string success{};                ///< The code that means success, beside none at all.
  std::string renewal = "independent";  ///< Or "rotating", "windowed", "sticky".
  Milliseconds overlap{0};              ///< Rotating: how long the token before lives on.
  Milliseconds window{0};               ///< Windowed: how long before its end there is a new one.
  /// Codes of errors that cannot heal by themselves.
  std::vector<std::string> permanent = {"invalid_client", "unauthorized_client", "invalid_scope"};
  std::optional<CustomProbe> probe{};
};

/// One platform, as reached from here.
struct PlatformConfig {
  std::string base_url;     ///< Empty: as the platform's description says.
  bool allow_http = false;  ///< Plain http:// to something that is not loopback.
  /// Base URLs to try, in order, where no connection to `base_url` can be made. Never after a
  /// request was sent.
  std::vector<std::string> fallback{};
  /// "http://[USER:PASSWORD@]HOST:PORT"; empty: as HTTPS_PROXY and NO_PROXY say.
  std::string proxy{};
  TimingOverrides timing{};
  /// What the platform is, where it is none that Hufu knows.
  std::optional<CustomPlatform> custom{};
};

/// The lengths of time that the promise is made of. Defaults are WeChat's.
struct Timing {
  Milliseconds use_slack = std::chrono::seconds(20);
  Milliseconds refresh_ahead = std::chrono::seconds(1800);
  Milliseconds overlap = std::chrono::seconds(300);
  Milliseconds lease = std::chrono::seconds(30);
  Milliseconds request_timeout = std::chrono::seconds(8);
};

/// Bounds that keep one client from starving the others.
struct ServerLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 64 * 1024;
  std::size_t connections = 10'000;
  Milliseconds idle = std::chrono::seconds(75);     ///< Between two requests.
  Milliseconds request = std::chrono::seconds(15);  ///< From its first byte to its last.
};

/// Everything Hufu can be told, as plain values; defaults are usable.
///
/// `src/config/` makes one from a file, the environment and flags; a program that embeds Hufu fills
/// it in by hand.
struct Config {
  std::vector<AppConfig> apps;
  /// By name; those that are reached as their descriptions say need not be in here.
  std::map<std::string, PlatformConfig> platforms;
  /// For every platform. Those of a PlatformConfig win over these, and both over what the
  /// platform's description says.
  TimingOverrides timing;

  /// "memory:", "sqlite:PATH", or the URI of a database server: "postgresql://…", "mongodb://…",
  /// "redis://…".
  std::string store = "memory:";
  Secret store_password;  ///< Of the user that `store` names, where the URI holds none.
  /// A store of the caller's own; `store` is not looked at then, and nothing in it is sealed.
  std::shared_ptr<TokenStore> custom_store;
  std::string key_file;  ///< Seals secrets and tokens at rest; empty: beside a SQLite store.

  std::string listen = "127.0.0.1:7200";
  std::string base_path;
  std::string log_level = "info";
  std::string log_format = "text";
  int threads = 0;  ///< Server threads; 0: one a core.
  ServerLimits limits;
};

}  // namespace hufu
