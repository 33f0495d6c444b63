#include "sink/layout.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace hufu::sink {
namespace {

constexpr std::string_view kJsapiTicket = "jsapi_ticket";
constexpr std::string_view kWxCardTicket = "wx_card_ticket";

tl::unexpected<Error> no_key(std::string message, std::string next_step) {
  return fail(Fault::config, std::move(message), std::move(next_step));
}

/// 32 hex characters; empty where OpenSSL was told to do without.
std::string md5_of(std::string_view app, std::string_view secret) {
  std::string text;
  text.reserve(app.size() + secret.size());  // No copy of the secret is left behind.
  text.append(app).append(secret);
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

/// A placeholder of a pattern, and the text that it stands for.
struct Placeholder {
  std::string_view name;
  std::string_view text;
};

std::string expand(std::string_view pattern, std::span<const Placeholder> placeholders) {
  std::string text;
  while (!pattern.empty()) {
    const auto found =
        std::find_if(placeholders.begin(), placeholders.end(),
                     [&](const Placeholder& each) { return pattern.starts_with(each.name); });
    if (found == placeholders.end()) {
      text += pattern.front();
      pattern.remove_prefix(1);
    } else {
      text += found->text;
      pattern.remove_prefix(found->name.size());
    }
  }
  return text;
}

Result<Layout> layout_of(const SdkKind& kind, std::string_view prefix, const AppConfig& app) {
  std::string digest;
  if (kind.keys.front().find("{digest}") != std::string_view::npos) {
    digest = md5_of(app.id, credential(app.credentials, kSecret).reveal());
    if (digest.empty()) {
      return no_key("this machine's OpenSSL has no MD5, by which that SDK names its keys",
                    "Give the SDK a key of your own (SetCacheKey), and write key instead of sdk");
    }
  }
  const Placeholder placeholders[] = {
      {"{prefix}", prefix}, {"{app}", app.id}, {"{digest}", digest}};
  const auto expand_all = [&](const std::vector<std::string_view>& patterns) {
    std::vector<std::string> keys;
    for (const std::string_view pattern : patterns) keys.push_back(expand(pattern, placeholders));
    return keys;
  };
  return Layout{expand_all(kind.keys), kind.format, expand_all(kind.ends), expand_all(kind.absent)};
}

}  // namespace

const std::vector<Sdk>& sdks() {
  static const std::vector<Sdk> all = {
      // github.com/silenceper/wechat/v2 2.1, cache.Redis: GET by
      // fmt.Sprintf("%s_access_token_%s", prefix, appID), or "%s_stable_access_token_%s" where it
      // was told to use that endpoint (credential/default_access_token.go). It is given both: which
      // one it asks for need not be the app's `endpoint`. "%s_jsapi_ticket_%s" in
      // credential/default_js_ticket.go.
      {"silenceper",
       "gowechat_officialaccount_",
       {{kAccessToken,
         Format::raw,
         {"{prefix}_access_token_{app}", "{prefix}_stable_access_token_{app}"}},
        {kJsapiTicket, Format::raw, {"{prefix}_jsapi_ticket_{app}"}}}},

      // com.github.binarywang:weixin-java-mp 4.7, WxMpRedisConfigImpl over Jedis or RedisTemplate,
      // and weixin-java-miniapp, WxMaRedisBetterConfigImpl. What has no TTL, or one below two
      // seconds, counts as expired.
      {"wxjava",
       "wx",
       {{kAccessToken, Format::raw, {"{prefix}:access_token:{app}"}},
        {kJsapiTicket, Format::raw, {"{prefix}:ticket:key:{app}:jsapi"}},
        {kWxCardTicket, Format::raw, {"{prefix}:ticket:key:{app}:wx_card"}}}},

      // wechatpy 1.8 and 2.0, session/redisstorage.py: JSON throughout. Beside a token, version 2
      // keeps its end, and fetches by itself a minute before; where there is none, it takes the
      // token for one that the user provided, good as long as it is there. A ticket without an end
      // counts as one that has ended (client/api/jsapi.py).
      {"wechatpy",
       "wechatpy",
       {{kAccessToken,
         Format::quoted,
         {"{prefix}:{app}_access_token"},
         {},
         {"{prefix}:{app}_access_token_expires_at"}},
        {kJsapiTicket,
         Format::quoted,
         {"{prefix}:{app}_jsapi_ticket"},
         {"{prefix}:{app}_jsapi_ticket_expires_at"}},
        {kWxCardTicket,
         Format::quoted,
         {"{prefix}:{app}_jsapi_card_ticket"},
         {"{prefix}:{app}_jsapi_card_ticket_expires_at"}}}},

      // github.com/ArtisanCloud/PowerWeChat/v3 3.2: src/kernel/accessToken.go and
      // src/basicService/jssdk/client.go, objects as the platform answers, `expires_in` a number.
      // The digest tells nobody a secret of 128 random bits.
      {"powerwechat",
       "",
       {{kAccessToken, Format::token_reply, {"powerwechat.access_token.{digest}"}},
        {kJsapiTicket,
         Format::ticket_reply,
         {"powerwechat.basic_service.jssdk.ticket.jsapi.{app}"}},
        {kWxCardTicket,
         Format::ticket_reply,
         {"powerwechat.basic_service.jssdk.ticket.wx_card.{app}"}}}}};
  return all;
}

const Sdk* find_sdk(std::string_view name) {
  const auto found =
      std::find_if(sdks().begin(), sdks().end(), [&](const Sdk& sdk) { return sdk.name == name; });
  return found == sdks().end() ? nullptr : &*found;
}

const SdkKind* find_kind(const Sdk& sdk, std::string_view kind) {
  const auto found = std::find_if(sdk.kinds.begin(), sdk.kinds.end(),
                                  [&](const SdkKind& each) { return each.kind == kind; });
  return found == sdk.kinds.end() ? nullptr : &*found;
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
  if (pattern.find("{secret}") != std::string_view::npos) {
    return no_key(
        "a key with the app's secret in it would show the secret to everybody who may list the "
        "keys of that Redis",
        "Leave {secret} out; for an SDK that insists on it, see docs/how-to/sinks.md");
  }
  const Placeholder placeholders[] = {{"{app}", app}};
  std::string key = expand(pattern, placeholders);
  if (key.empty() || key.size() > 512) {
    return no_key("it is no key", "Write 1 to 512 characters, {app} standing for the app's id");
  }
  return key;
}

std::vector<std::string> kinds_of(const SinkConfig& sink, const AppConfig& app,
                                  std::string_view main_kind) {
  if (sink.sdk.empty()) return {sink.kind.empty() ? std::string(main_kind) : sink.kind};
  std::vector<std::string> kinds{std::string(kAccessToken)};
  const Sdk* sdk = find_sdk(sink.sdk);
  for (const std::string& kind : app.keep) {
    if (kind == kAccessToken || sdk == nullptr || find_kind(*sdk, kind) == nullptr) continue;
    kinds.push_back(kind);
  }
  return kinds;
}

Result<Layout> layout_of(const SinkConfig& sink, const AppConfig& app, std::string_view kind) {
  if (sink.sdk.empty()) {
    auto key = key_of(sink.key, app.id);
    if (!key) return tl::unexpected(std::move(key.error()));
    return Layout{{std::move(*key)}, sink.format == "json" ? Format::object : Format::raw, {}, {}};
  }
  const Sdk* sdk = find_sdk(sink.sdk);
  const SdkKind* known = sdk == nullptr ? nullptr : find_kind(*sdk, kind);
  if (known == nullptr) return no_key("nobody knows the keys of that SDK", "Write key instead");
  return layout_of(*known, sink.prefix.empty() ? sdk->prefix : sink.prefix, app);
}

}  // namespace hufu::sink
