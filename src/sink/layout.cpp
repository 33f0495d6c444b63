#include "sink/layout.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hufu::sink {
namespace {

constexpr std::string_view kJsapiTicket = "jsapi_ticket";
constexpr std::string_view kWxCardTicket = "wx_card_ticket";
constexpr std::string_view kAgentTicket = "agent_ticket";

constexpr std::string_view kWechat = "wechat";
constexpr std::string_view kWecom = "wecom";

tl::unexpected<Error> no_key(std::string message, std::string next_step) {
  return fail(Fault::config, std::move(message), std::move(next_step));
}

/// 32 hex characters; empty where OpenSSL was told to do without.
std::string md5_of(std::string_view name, std::string_view secret) {
  std::string text;
  text.reserve(name.size() + secret.size());  // No copy of the secret is left behind.
  text.append(name).append(secret);
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

/// What "{NAME}" stands for in every pattern; empty if the app has no such setting.
std::string_view text_of(std::string_view name, const AppConfig& app) {
  return name == "app" ? std::string_view(app.id) : setting(app.settings, name);
}

/// The patterns of an SDK for one app.
class Patterns {
 public:
  Patterns(std::string_view prefix, const AppConfig& app) : prefix_(prefix), app_(app) {}

  [[nodiscard]] Result<std::vector<std::string>> expand(
      const std::vector<std::string_view>& patterns) const {
    std::vector<std::string> keys;
    for (const std::string_view pattern : patterns) {
      auto key = expand(pattern);
      if (!key) return tl::unexpected(std::move(key.error()));
      keys.push_back(std::move(*key));
    }
    return keys;
  }

 private:
  [[nodiscard]] Result<std::string> expand(std::string_view pattern) const {
    std::string text;
    while (!pattern.empty()) {
      const char first = pattern.front();
      if (first != '{' && first != '[') {
        text += first;
        pattern.remove_prefix(1);
        continue;
      }
      const std::size_t end = pattern.find(first == '{' ? '}' : ']');
      const std::string_view inside = pattern.substr(1, end - 1);
      pattern.remove_prefix(end + 1);
      auto part = first == '{' ? fill(inside) : expand(inside);
      if (part) {
        text += *part;
      } else if (first == '{') {
        return part;
      }
    }
    return text;
  }

  [[nodiscard]] Result<std::string> fill(std::string_view name) const {
    constexpr std::string_view kMd5 = "md5:";
    if (name.starts_with(kMd5)) return fill_digest(name.substr(kMd5.size()));
    const std::string_view text = name == "prefix" ? prefix_ : text_of(name, app_);
    if (text.empty()) {
      return no_key(
          "the SDK's key has the app's " + std::string(name) + " in it, and the app has none",
          "Set " + std::string(name) + " in the app");
    }
    return std::string(text);
  }

  [[nodiscard]] Result<std::string> fill_digest(std::string_view name) const {
    auto text = fill(name);
    if (!text) return text;
    std::string digest = md5_of(*text, credential(app_.credentials, kSecret).reveal());
    if (digest.empty()) {
      return no_key("this machine's OpenSSL has no MD5, by which that SDK names its keys",
                    "Give the SDK a key of your own (SetCacheKey), and write key instead of sdk");
    }
    return digest;
  }

  std::string_view prefix_;
  const AppConfig& app_;
};

Result<Layout> layout_of(const SdkKind& kind, const Patterns& patterns) {
  auto keys = patterns.expand(kind.keys);
  auto ends = patterns.expand(kind.ends);
  auto absent = patterns.expand(kind.absent);
  for (auto* each : {&keys, &ends, &absent}) {
    if (!*each) return tl::unexpected(std::move(each->error()));
  }
  return Layout{std::move(*keys), kind.format, std::move(*ends), std::move(*absent)};
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
       kWechat,
       "gowechat_officialaccount_",
       {{kAccessToken,
         Format::raw,
         {"{prefix}_access_token_{app}", "{prefix}_stable_access_token_{app}"}},
        {kJsapiTicket, Format::raw, {"{prefix}_jsapi_ticket_{app}"}}}},

      // The same 2.1.10, WorkAccessToken in credential/default_access_token.go. An agent is a part
      // of the key where the SDK was told one; before pull request 810 of January 2025 it never
      // was, so that all agents of a corp shared one key. Tickets in credential/work_js_ticket.go;
      // that of the corp has one key for all agents.
      {"silenceper",
       kWecom,
       "gowechat_work_",
       {{kAccessToken, Format::raw, {"{prefix}_access_token_{corpid}[_{agentid}]"}},
        {kJsapiTicket, Format::raw, {"{prefix}_corp_jsapi_ticket_{corpid}"}},
        {kAgentTicket, Format::raw, {"{prefix}_agent_jsapi_ticket_{corpid}_{agentid}"}}}},

      // com.github.binarywang:weixin-java-mp 4.7, WxMpRedisConfigImpl over Jedis or RedisTemplate,
      // and weixin-java-miniapp, WxMaRedisBetterConfigImpl. What has no TTL, or one below two
      // seconds, counts as expired.
      {"wxjava",
       kWechat,
       "wx",
       {{kAccessToken, Format::raw, {"{prefix}:access_token:{app}"}},
        {kJsapiTicket, Format::raw, {"{prefix}:ticket:key:{app}:jsapi"}},
        {kWxCardTicket, Format::raw, {"{prefix}:ticket:key:{app}:wx_card"}}}},

      // com.github.binarywang:weixin-java-cp 4.7, AbstractWxCpInRedisConfigImpl over Jedis or
      // RedisTemplate, with the same rule about the TTL. It has no prefix of its own; the Spring
      // Boot starter gives it "wx:cp". WxCpRedisConfigImpl, which is deprecated, has one key for
      // all corps, and its tokens end by another key: it is not served.
      {"wxjava",
       kWecom,
       "",
       {{kAccessToken, Format::raw, {"[{prefix}:]wechat_cp_access_token_key:{corpid}[:{agentid}]"}},
        {kJsapiTicket, Format::raw, {"[{prefix}:]wechat_cp_jsapi_ticket_key:{corpid}[:{agentid}]"}},
        {kAgentTicket,
         Format::raw,
         {"[{prefix}:]wechat_cp_agent_jsapi_ticket_key:{corpid}[:{agentid}]"}}}},

      // wechatpy 1.8 and 2.0, session/redisstorage.py: JSON throughout. Beside a token, version 2
      // keeps its end, and fetches by itself a minute before; where there is none, it takes the
      // token for one that the user provided, good as long as it is there. A ticket without an end
      // counts as one that has ended (client/api/jsapi.py).
      {"wechatpy",
       kWechat,
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
       kWechat,
       "",
       {{kAccessToken, Format::token_reply, {"powerwechat.access_token.{md5:app}"}},
        {kJsapiTicket,
         Format::ticket_reply,
         {"powerwechat.basic_service.jssdk.ticket.jsapi.{app}"}},
        {kWxCardTicket,
         Format::ticket_reply,
         {"powerwechat.basic_service.jssdk.ticket.wx_card.{app}"}}}},

      // The same with the corp in the app's place: src/work/auth/accessToken.go and
      // src/work/jssdk/client.go, which fetches the ticket of an agent each time.
      {"powerwechat",
       kWecom,
       "",
       {{kAccessToken, Format::token_reply, {"powerwechat.access_token.{md5:corpid}"}},
        {kJsapiTicket,
         Format::ticket_reply,
         {"powerwechat.basic_service.jssdk.ticket.jsapi.{corpid}"}}}}};
  return all;
}

const Sdk* find_sdk(std::string_view name, std::string_view platform) {
  const auto found = std::find_if(sdks().begin(), sdks().end(), [&](const Sdk& sdk) {
    return sdk.name == name && sdk.platform == platform;
  });
  return found == sdks().end() ? nullptr : &*found;
}

const SdkKind* find_kind(const Sdk& sdk, std::string_view kind) {
  const auto found = std::find_if(sdk.kinds.begin(), sdk.kinds.end(),
                                  [&](const SdkKind& each) { return each.kind == kind; });
  return found == sdk.kinds.end() ? nullptr : &*found;
}

bool takes_prefix(const Sdk& sdk) {
  return sdk.kinds.front().keys.front().find("{prefix}") != std::string_view::npos;
}

std::string_view why_not(std::string_view sdk, std::string_view platform) {
  if (sdk == "easywechat" || sdk == "node-easywechat") {
    return "its keys contain the app's secret, which everybody who may list the keys of that Redis "
           "would read";
  }
  // wechatpy 1.8 and 2.0: access_token_key in enterprise/client/__init__.py and
  // work/client/__init__.py.
  if (sdk == "wechatpy" && platform == kWecom) {
    return "its keys contain the first ten characters of the app's secret, which everybody who may "
           "list the keys of that Redis would read";
  }
  if (sdk == "senparc") return "what it keeps there contains the app's secret";
  return {};
}

Result<std::string> key_of(std::string_view pattern, const AppConfig& app) {
  if (pattern.find("{secret}") != std::string_view::npos) {
    return no_key(
        "a key with the app's secret in it would show the secret to everybody who may list the "
        "keys of that Redis",
        "Leave {secret} out; for an SDK that insists on it, see docs/how-to/sinks.md");
  }
  std::string key;
  while (!pattern.empty()) {
    const std::size_t end = pattern.front() == '{' ? pattern.find('}') : std::string_view::npos;
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : pattern.substr(1, end - 1);
    const std::string_view text = text_of(name, app);
    if (!text.empty()) {
      key += text;
      pattern.remove_prefix(end + 1);
    } else if (name == "corpid" || name == "agentid") {
      return no_key("the key has the app's " + std::string(name) + " in it, and the app has none",
                    "Set " + std::string(name) + " in the app, or write {app}");
    } else {
      key += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  if (key.empty() || key.size() > 512) {
    return no_key("it is no key", "Write 1 to 512 characters, {app} standing for the app's id");
  }
  return key;
}

std::vector<std::string> kinds_of(const SinkConfig& sink, const AppConfig& app,
                                  std::string_view main_kind) {
  if (sink.sdk.empty()) return {sink.kind.empty() ? std::string(main_kind) : sink.kind};
  std::vector<std::string> kinds{std::string(kAccessToken)};
  const Sdk* sdk = find_sdk(sink.sdk, app.platform);
  for (const std::string& kind : app.keep) {
    if (kind == kAccessToken || sdk == nullptr || find_kind(*sdk, kind) == nullptr) continue;
    kinds.push_back(kind);
  }
  return kinds;
}

Result<Layout> layout_of(const SinkConfig& sink, const AppConfig& app, std::string_view kind) {
  if (sink.sdk.empty()) {
    auto key = key_of(sink.key, app);
    if (!key) return tl::unexpected(std::move(key.error()));
    return Layout{{std::move(*key)}, sink.format == "json" ? Format::object : Format::raw, {}, {}};
  }
  const Sdk* sdk = find_sdk(sink.sdk, app.platform);
  const SdkKind* known = sdk == nullptr ? nullptr : find_kind(*sdk, kind);
  if (known == nullptr) return no_key("nobody knows the keys of that SDK", "Write key instead");
  std::string_view prefix = sink.prefix.empty() ? sdk->prefix : std::string_view(sink.prefix);
  // WxJava takes a prefix for WeCom with its colon or without.
  if (known->keys.front().starts_with("[{prefix}:]") && prefix.ends_with(':')) {
    prefix.remove_suffix(1);
  }
  return layout_of(*known, Patterns(prefix, app));
}

}  // namespace hufu::sink
