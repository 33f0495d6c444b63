#include "platform/request_builder.hpp"

#include <openssl/evp.h>

#include <boost/json.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/placeholders.hpp"
#include "platform/wiping_memory.hpp"

namespace hufu::platform {
namespace {

namespace json = boost::json;
namespace urls = boost::urls;

/// What a placeholder stands for.
std::string_view meaning_of(std::string_view placeholder, const IssueRequest& asked) {
  if (placeholder == "app") return asked.app;
  if (placeholder == "parent") return asked.parent;
  return setting(asked.settings, placeholder);
}

/// A parameter whose value is known.
struct FilledIn {
  std::string_view name;
  bool is_boolean = false;
  std::string text{};         ///< Of a value that is no secret.
  std::string_view secret{};  ///< Of one that is; a view of something that outlives this.

  [[nodiscard]] std::string_view value() const {
    return secret.empty() ? std::string_view(text) : secret;
  }
};

/// Nothing where a placeholder stands for nothing.
std::optional<std::string> fill_in(std::string_view text, const IssueRequest& asked) {
  std::string result;
  for (const TextPiece& piece : pieces_of(text)) {
    const std::string_view words =
        piece.is_placeholder ? meaning_of(piece.text, asked) : piece.text;
    if (words.empty()) return std::nullopt;
    result += words;
  }
  return result;
}

std::string_view secret_of(const Value& value, const IssueRequest& asked, std::string_view probed) {
  switch (value.from) {
    case Value::From::credential: return credential(asked.credentials, value.text).reveal();
    case Value::From::refresh_token: return asked.refresh_token.reveal();
    case Value::From::needed: return asked.needed.at(value.index).reveal();
    case Value::From::token: return probed;
    case Value::From::text:
    case Value::From::force: break;
  }
  return {};
}

std::vector<FilledIn> fill_in(const std::vector<Parameter>& parameters, const IssueRequest& asked,
                              std::string_view probed) {
  std::vector<FilledIn> result;
  for (const auto& [name, value] : parameters) {
    FilledIn parameter{name};
    if (value.from == Value::From::text) {
      auto text = fill_in(value.text, asked);
      if (!text) continue;
      parameter.text = *std::move(text);
    } else if (value.from == Value::From::force) {
      parameter.is_boolean = true;
      parameter.text = asked.force ? "true" : "false";
    } else {
      parameter.secret = secret_of(value, asked, probed);
    }
    result.push_back(std::move(parameter));
  }
  return result;
}

/// The longest that one byte becomes: "%0A" in a URL, "\u000a" in JSON.
constexpr std::size_t kLongestEncoding = 6;

/// Room enough for the encoded parameters. Text with secrets in it must not outgrow its memory,
/// which would be left behind unwiped.
std::size_t room_for(const std::vector<FilledIn>& parameters) {
  std::size_t room = 2;
  for (const FilledIn& parameter : parameters) {
    constexpr std::size_t kPunctuation = 6;
    room += kPunctuation + kLongestEncoding * (parameter.name.size() + parameter.value().size());
  }
  return room;
}

void append_encoded(std::string& text, std::string_view raw, bool space_as_plus = false) {
  urls::encoding_opts options;
  options.space_as_plus = space_as_plus;
  const std::size_t at = text.size();
  const std::size_t size = urls::encoded_size(raw, urls::unreserved_chars, options);
  text.resize(at + size);
  urls::encode(text.data() + at, size, raw, urls::unreserved_chars, options);
}

/// name=value&name=value, as in a query and in a form.
void append_pairs(std::string& text, const std::vector<FilledIn>& parameters) {
  char separator = '\0';
  for (const FilledIn& parameter : parameters) {
    if (separator != '\0') text += separator;
    separator = '&';
    append_encoded(text, parameter.name);
    text += '=';
    append_encoded(text, parameter.value());
  }
}

std::string path_of(const Call& call, const IssueRequest& asked) {
  std::string path;
  for (const TextPiece& piece : pieces_of(call.path)) {
    if (piece.is_placeholder) {
      append_encoded(path, meaning_of(piece.text, asked));
    } else {
      path += piece.text;
    }
  }
  return path;
}

Secret url_of(std::string_view base_url, const std::string& path,
              const std::vector<FilledIn>& query) {
  std::string url;
  url.reserve(base_url.size() + path.size() + room_for(query));
  url += base_url;
  url += path;
  if (!query.empty()) {
    url += '?';
    append_pairs(url, query);
  }
  return Secret(std::move(url));
}

Secret json_of(const std::vector<FilledIn>& parameters) {
  WipingMemory memory;
  json::object object{json::storage_ptr(&memory)};
  for (const FilledIn& parameter : parameters) {
    const json::string_view name(parameter.name.data(), parameter.name.size());
    if (parameter.is_boolean) {
      object.emplace(name, parameter.text == "true");
    } else {
      const std::string_view text = parameter.value();
      object.emplace(name, json::string_view(text.data(), text.size()));
    }
  }
  std::string text(room_for(parameters), '\0');
  json::serializer serializer;
  serializer.reset(&object);
  text.resize(serializer.read(text.data(), text.size()).size());
  return Secret(std::move(text));
}

Secret form_of(const std::vector<FilledIn>& parameters) {
  std::string text;
  text.reserve(room_for(parameters));
  append_pairs(text, parameters);
  return Secret(std::move(text));
}

/// The app's id and secret for `Authorization: Basic`.
Secret basic_of(const IssueRequest& asked) {
  const std::string_view secret = credential(asked.credentials, kSecret).reveal();
  std::string pair;
  pair.reserve(kLongestEncoding * (asked.app.size() + secret.size()) + 1);
  append_encoded(pair, asked.app, true);
  pair += ':';
  append_encoded(pair, secret, true);

  std::string encoded(4 * ((pair.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends with a zero.
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(pair.data()),
                                   static_cast<int>(pair.size()));
  wipe(pair);
  encoded.resize(static_cast<std::size_t>(size));
  return Secret(std::move(encoded));
}

}  // namespace

net::HttpRequest build_request(const Call& call, std::string_view base_url,
                               const IssueRequest& asked, std::string_view probed) {
  net::HttpRequest request;
  request.method = call.method;
  request.url = url_of(base_url, path_of(call, asked), fill_in(call.query, asked, probed));
  request.timeout = asked.timeout;
  if (call.bearer) request.authorization = Secret(secret_of(*call.bearer, asked, probed));
  for (const FilledIn& each : fill_in(call.headers, asked, probed)) {
    request.headers.push_back({std::string(each.name), Secret(each.value())});
  }
  if (call.basic) {
    request.authorization_scheme = "Basic";
    request.authorization = basic_of(asked);
  }
  if (call.body.empty()) return request;

  const auto body = fill_in(call.body, asked, probed);
  if (call.encoding == Call::Encoding::json) {
    request.body = json_of(body);
    request.content_type = "application/json";
  } else {
    request.body = form_of(body);
    request.content_type = "application/x-www-form-urlencoded";
  }
  return request;
}

}  // namespace hufu::platform
