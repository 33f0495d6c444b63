#include "platform/base_url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace hufu::platform {
namespace {

/// A URL as libcurl reads it, because libcurl sends the requests to it.
class ParsedUrl {
 public:
  static std::optional<ParsedUrl> parse(std::string_view text) {
    ParsedUrl url;
    const std::string copy(text);
    if (!url.handle_ ||
        curl_url_set(url.handle_.get(), CURLUPART_URL, copy.c_str(), 0) != CURLUE_OK) {
      return std::nullopt;
    }
    return url;
  }

  [[nodiscard]] std::optional<std::string> part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(handle_.get(), which, &text, 0) != CURLUE_OK) return std::nullopt;
    std::string result(text);
    curl_free(text);
    return result;
  }

 private:
  ParsedUrl() : handle_(curl_url()) {}
  struct Close {
    void operator()(CURLU* handle) const noexcept { curl_url_cleanup(handle); }
  };
  std::unique_ptr<CURLU, Close> handle_;
};

bool is_one_of(char c, std::string_view characters) {
  return characters.find(c) != std::string_view::npos;
}

/// Why `text` is no absolute URL with a host; empty if it is one.
std::string_view why_no_url(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c <= '~' && !is_one_of(c, "\"<>\\^`{|}");
  });
  if (!plain) return "it holds characters that have no place in one";
  const std::string_view rest = text.substr(text.find("//") + 2);
  // libcurl forgives a third slash; a person who wrote it left the host out.
  if (rest.empty() || is_one_of(rest.front(), "/?#:")) return "it has no host";
  auto url = ParsedUrl::parse(text);
  if (!url || url->part(CURLUPART_PORT) == "0") return "it cannot be read as one";
  return {};
}

Error with_name(const std::string& name, Error error) {
  error.message = name + ": " + error.message;
  return error;
}

}  // namespace

Result<std::string> check_base_url(std::string_view text) {
  auto bad = [](std::string_view why) {
    return fail(Fault::config, "this is not a usable URL: " + std::string(why),
                "Write it like \"https://api.weixin.qq.com\"");
  };
  if (!text.starts_with("https://") && !text.starts_with("http://")) {
    return bad("it does not begin with https:// or http://");
  }
  if (auto why = why_no_url(text); !why.empty()) return bad(why);
  if (auto url = ParsedUrl::parse(text);
      url->part(CURLUPART_USER) || url->part(CURLUPART_PASSWORD) || is_one_of('@', text)) {
    return bad("it carries a user or a password");
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    return bad("it has a query or a fragment");
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

bool leaves_in_the_clear(std::string_view url) {
  auto parsed = ParsedUrl::parse(url);
  if (!parsed || parsed->part(CURLUPART_SCHEME) != "http") return false;
  std::string host = parsed->part(CURLUPART_HOST).value_or("");
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 != 127;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return !IN6_IS_ADDR_LOOPBACK(&v6);
  // libcurl resolves this very name to loopback without asking anybody.
  return strcasecmp(host.c_str(), "localhost") != 0;
}

Result<std::string> check_proxy(std::string_view text) {
  auto bad = [](std::string_view why) {
    return fail(Fault::config, "this is not a usable proxy: " + std::string(why),
                "Write it like \"http://10.0.0.9:3128\"");
  };
  if (!text.starts_with("http://")) return bad("it does not begin with http://");
  if (auto why = why_no_url(text); !why.empty()) return bad(why);
  auto path = ParsedUrl::parse(text)->part(CURLUPART_PATH).value_or("/");
  if (path != "/" || text.find_first_of("?#") != std::string_view::npos) {
    return bad("it holds more than a user, a host and a port");
  }
  return std::string(text);
}

Result<PlatformAddress> address_of(const PlatformDescription& platform,
                                   const PlatformConfig& config) {
  const std::string prefix = "platform." + platform.name + ".";
  PlatformAddress address;
  auto add = [&](const std::string& key, std::string_view text) -> Result<void> {
    auto url = check_base_url(text);
    if (!url) return tl::unexpected(with_name(prefix + key, url.error()));
    if (!config.allow_http && leaves_in_the_clear(*url)) {
      return fail(Fault::config,
                  prefix + key +
                      ": plain http:// to another machine shows secrets and tokens to everybody "
                      "on the way",
                  "Write https://, or allow_http = true below [platform." + platform.name +
                      "] where that network is trusted");
    }
    address.base_urls.push_back(*std::move(url));
    return {};
  };
  const std::string& first = config.base_url.empty() ? platform.base_url : config.base_url;
  if (auto added = add("base_url", first); !added) return tl::unexpected(added.error());
  for (const std::string& url : config.fallback) {
    if (auto added = add("fallback", url); !added) return tl::unexpected(added.error());
  }
  if (!config.proxy.empty()) {
    auto proxy = check_proxy(config.proxy);
    if (!proxy) return tl::unexpected(with_name(prefix + "proxy", proxy.error()));
    address.proxy = *std::move(proxy);
  }
  return address;
}

}  // namespace hufu::platform
