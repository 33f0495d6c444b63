#include "config/address_rules.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "core/text.hpp"

namespace hufu::config {
namespace {

/// A URL as libcurl reads it: the judge of where a request goes is whoever sends it.
class ParsedUrl {
 public:
  static std::optional<ParsedUrl> parse(std::string_view text) {
    ParsedUrl url;
    std::string copy(text);
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

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_port(std::string_view text) noexcept {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= 65535;
}

bool is_host_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '-';
  });
}

}  // namespace

Result<std::string> check_listen(std::string_view text) {
  auto bad = [&](std::string_view why, std::string next) {
    return fail(Fault::config, quoted(text) + " is not HOST:PORT: " + std::string(why),
                std::move(next));
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return bad("the port is missing", is_port(text)
                                          ? "Write \"127.0.0.1:" + std::string(text) + "\""
                                          : "Write \"127.0.0.1:7200\"");
  }
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  if (!is_port(port))
    return bad("the port is not a number from 0 to 65535", "Write \"127.0.0.1:7200\"");
  if (host.empty()) {
    return bad("the host is missing", "Write \"127.0.0.1" + std::string(text) +
                                          "\" for this machine alone or \"0.0.0.0" +
                                          std::string(text) + "\" for everybody");
  }
  if (host.front() == '[' && host.back() == ']') {
    in6_addr address{};
    std::string inside(host.substr(1, host.size() - 2));
    if (inet_pton(AF_INET6, inside.c_str(), &address) == 1) return std::string(text);
    return bad("there is no IPv6 address in the brackets", "Write \"[::1]:7200\"");
  }
  if (host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in brackets", "Write \"[::1]:7200\"");
  }
  if (!is_host_name(host))
    return bad("the host is not a name or address", "Write \"127.0.0.1:7200\"");
  return std::string(text);
}

Result<std::string> check_base_path(std::string_view text) {
  std::string_view path = text;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return std::string();

  auto bad = [&](std::string_view why) {
    return fail(Fault::config, quoted(text) + " is not a path prefix: " + std::string(why),
                "Write it like \"/wechat\"");
  };
  if (path.front() != '/') return bad("it does not begin with a slash");
  bool plain = std::all_of(path.begin(), path.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("/-._~").find(c) != std::string_view::npos;
  });
  if (!plain) return bad("it holds something else than letters, digits and - . _ ~ /");
  for (std::string_view rest = path; !rest.empty();) {
    rest.remove_prefix(1);
    std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment.empty() || segment == "." || segment == "..") {
      return bad("it holds an empty, \".\" or \"..\" segment");
    }
    rest.remove_prefix(segment.size());
  }
  return std::string(path);
}

Result<std::string> check_base_url(std::string_view text) {
  auto bad = [](std::string why) {
    return fail(Fault::config, "this is not a usable URL: " + std::move(why),
                "Write it like \"https://api.weixin.qq.com\"");
  };
  if (!text.starts_with("https://") && !text.starts_with("http://")) {
    return bad("it does not begin with https:// or http://");
  }
  bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c <= '~' && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
  if (!plain) return bad("it holds characters that have no place in one");
  std::string_view rest = text.substr(text.find("//") + 2);
  if (rest.empty() || std::string_view("/?#:").find(rest.front()) != std::string_view::npos) {
    return bad("it has no host");
  }
  auto url = ParsedUrl::parse(text);
  if (!url) return bad("it cannot be read as one");
  if (url->part(CURLUPART_USER) || url->part(CURLUPART_PASSWORD)) {
    return bad("it carries a user or a password");
  }
  if (text.find_first_of("?#") != std::string_view::npos)
    return bad("it has a query or a fragment");
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
  return strcasecmp(host.c_str(), "localhost") != 0;
}

}  // namespace hufu::config
