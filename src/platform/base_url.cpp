#include "platform/base_url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <memory>

namespace hufu::platform {
namespace {

/// Parsed by libcurl, which will also make the call: what is parsed here is what is called there.
class ParsedUrl {
 public:
  explicit ParsedUrl(const std::string& text)
      : url_(curl_url(), &curl_url_cleanup),
        readable_(text.size() == text.find_last_not_of(" \t\r\n") + 1 &&
                  curl_url_set(url_.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK) {}

  [[nodiscard]] bool readable() const { return readable_; }

  /// One part of it, normalised; empty if it has none.
  [[nodiscard]] std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(url_.get(), which, &text, 0) != CURLUE_OK) return {};
    std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
    return text;
  }

 private:
  std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url_;
  bool readable_;
};

bool is_loopback(const std::string& host) {
  // libcurl resolves this very name to loopback without asking anybody.
  if (host == "localhost") return true;
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return host == "[::1]";
}

}  // namespace

Result<std::string> checked_base_url(std::string_view platform, const PlatformConfig& config) {
  const std::string name = "platform." + std::string(platform) + ".base_url";
  ParsedUrl url(config.base_url);
  std::string scheme = url.part(CURLUPART_SCHEME);
  // libcurl forgives a third slash; a person who wrote it left the host out.
  if (!url.readable() || (scheme != "https" && scheme != "http") ||
      config.base_url.find(":///") != std::string::npos || url.part(CURLUPART_PORT) == "0") {
    return fail(Fault::config, name + " is not an address that can be called",
                "write it like https://api.weixin.qq.com");
  }
  if (config.base_url.find_first_of("@?#") != std::string::npos) {
    return fail(Fault::config, name + " holds more than scheme, host, port and path",
                "take user name, '?' and '#' out of it");
  }
  if (scheme == "http" && !config.allow_http && !is_loopback(url.part(CURLUPART_HOST))) {
    return fail(Fault::config, name + " is plain http:// to something that is not loopback",
                "use https://, or set allow_http = true if the way there is safe");
  }
  std::string base = config.base_url;
  while (base.back() == '/') base.pop_back();
  return base;
}

}  // namespace hufu::platform
