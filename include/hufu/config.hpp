#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu {

/// A place outside Hufu where an app's access token is kept for programs that look there: keys of a
/// Redis, or a file. The token lies there in the clear. Which members go together, the
/// configuration checks (`src/config/sink_rules.hpp`).
struct SinkConfig {
  std::string redis;   ///< URI of the Redis; empty: it is a file.
  Secret password;     ///< Of the user that `redis` names, where the URI holds none.
  std::string sdk;     ///< Whose keys to write: "wxjava"; empty: `key`.
  std::string prefix;  ///< What that SDK was told to begin its keys with; empty: its default.
  std::string key;     ///< A key of one's own, "{app}" standing for the app's id.
  std::string file;    ///< Path of the file; empty: it is a Redis.
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

/// Whether `text` can be the id of an app: 1 to 128 printable ASCII characters without blanks and
/// slashes, so that it fits a URL path and a log line as it is; and not "." or "..", which a path
/// swallows.
bool is_app_id(std::string_view text) noexcept;

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
  /// Where a keeper in the background puts the access token, too.
  std::vector<SinkConfig> sinks = {};
};

/// One platform, as reached from here.
struct PlatformConfig {
  std::string base_url;
  bool allow_http = false;  ///< Plain http:// to something that is not loopback.
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
  std::map<std::string, PlatformConfig> platforms = {
      {"wechat", {"https://api.weixin.qq.com", false}}};
  Timing timing;

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
