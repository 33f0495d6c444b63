#include "sink/layout.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

namespace hufu::sink {
namespace {

std::string join(std::initializer_list<std::string_view> parts) {
  std::string whole;
  for (const std::string_view part : parts) whole += part;
  return whole;
}

/// 32 hex characters; empty where OpenSSL was told to do without. Wipes `text`.
std::string md5(std::string&& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done = EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  wipe(text);
  if (done != 1) return {};
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4U];
    hex += kDigits[digest[i] & 15U];
  }
  return hex;
}

/// github.com/silenceper/wechat/v2 2.1: credential/default_access_token.go, GET by
/// fmt.Sprintf("%s_access_token_%s", prefix, appID), or "%s_stable_access_token_%s" where it was
/// told to use that endpoint. It is given both: which one it asks for need not be the app's
/// `endpoint`.
Layout silenceper(std::string_view prefix, std::string_view app, std::string_view) {
  return {{join({prefix, "_access_token_", app}), join({prefix, "_stable_access_token_", app})},
          {},
          Format::raw};
}

/// com.github.binarywang:weixin-java-mp 4.7: WxMpRedisConfigImpl (over Jedis or RedisTemplate), GET
/// "<prefix>:access_token:<appid>"; expired where its TTL is missing or below two seconds.
Layout wxjava(std::string_view prefix, std::string_view app, std::string_view) {
  return {{join({prefix, ":access_token:", app})}, {}, Format::raw};
}

/// wechatpy 1.8 and 2.0: session/redisstorage.py, a JSON string at "<prefix>:<appid>_access_token".
/// Version 2 keeps the end beside it, and fetches by itself a minute before; where there is none,
/// it takes the token for one that the user provided, good as long as it is there.
Layout wechatpy(std::string_view prefix, std::string_view app, std::string_view) {
  std::string key = join({prefix, ":", app, "_access_token"});
  std::string end = key + "_expires_at";
  return {{std::move(key)}, {std::move(end)}, Format::quoted};
}

/// github.com/ArtisanCloud/PowerWeChat/v3 3.2: src/kernel/accessToken.go, a JSON object at
/// "powerwechat.access_token." and the MD5 of id and secret, `expires_in` a number. The digest
/// tells nobody a secret of 128 random bits.
Layout powerwechat(std::string_view, std::string_view app, std::string_view secret) {
  std::string credentials;
  credentials.reserve(app.size() + secret.size());  // No copy of the secret is left behind.
  credentials.append(app).append(secret);
  const std::string digest = md5(std::move(credentials));
  if (digest.empty()) return {};
  return {{"powerwechat.access_token." + digest}, {}, Format::platform_reply};
}

tl::unexpected<Error> no_key(std::string message, std::string next_step) {
  return fail(Fault::config, std::move(message), std::move(next_step));
}

}  // namespace

const std::vector<Sdk>& sdks() {
  static const std::vector<Sdk> all = {{"silenceper", "gowechat_officialaccount_", silenceper},
                                       {"wxjava", "wx", wxjava},
                                       {"wechatpy", "wechatpy", wechatpy},
                                       {"powerwechat", "", powerwechat}};
  return all;
}

const Sdk* find_sdk(std::string_view name) {
  const auto found =
      std::find_if(sdks().begin(), sdks().end(), [&](const Sdk& sdk) { return sdk.name == name; });
  return found == sdks().end() ? nullptr : &*found;
}

std::string_view why_not(std::string_view sdk) {
  if (sdk == "easywechat" || sdk == "node-easywechat") {
    return "its keys contain the app's secret, which everybody who may list the keys of that Redis "
           "would read";
  }
  if (sdk == "senparc") return "what it keeps there contains the app's secret";
  return {};
}

Result<std::string> key_of(std::string_view pattern, std::string_view app) {
  constexpr std::string_view kApp = "{app}";
  std::string key;
  for (std::string_view rest = pattern; !rest.empty();) {
    if (rest.starts_with(kApp)) {
      key += app;
      rest.remove_prefix(kApp.size());
    } else if (rest.starts_with("{secret}")) {
      return no_key(
          "a key with the app's secret in it would show the secret to everybody who may "
          "list the keys of that Redis",
          "Leave {secret} out; for an SDK that insists on it, see docs/how-to/sinks.md");
    } else {
      key += rest.front();
      rest.remove_prefix(1);
    }
  }
  if (key.empty() || key.size() > 512) {
    return no_key("it is no key", "Write 1 to 512 characters, {app} standing for the app's id");
  }
  return key;
}

Result<Layout> layout_of(const SinkConfig& sink, std::string_view app, const Secret& secret) {
  if (!sink.sdk.empty()) {
    const Sdk* sdk = find_sdk(sink.sdk);
    if (sdk == nullptr) return no_key("nobody knows the keys of that SDK", "Write key instead");
    Layout layout =
        sdk->layout(sink.prefix.empty() ? sdk->prefix : sink.prefix, app, secret.reveal());
    if (layout.keys.empty()) {
      return no_key("this machine's OpenSSL has no MD5, by which that SDK names its keys",
                    "Give the SDK a key of your own (SetCacheKey), and write key instead of sdk");
    }
    return layout;
  }
  auto key = key_of(sink.key, app);
  if (!key) return tl::unexpected(std::move(key.error()));
  return Layout{{std::move(*key)}, {}, sink.format == "json" ? Format::object : Format::raw};
}

}  // namespace hufu::sink
