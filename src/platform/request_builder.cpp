#include "platform/request_builder.hpp"

#include <boost/json.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <string>

#include "platform/wiping_memory.hpp"

namespace hufu::platform {
namespace {

namespace json = boost::json;
namespace urls = boost::urls;

std::string_view text_of(const Value& value, const CallArguments& arguments) {
  switch (value.from) {
    case Value::From::constant: return value.text;
    case Value::From::app: return arguments.app;
    case Value::From::secret: return arguments.secret;
    case Value::From::force: return arguments.force ? "true" : "false";
    case Value::From::needed: return arguments.needed.at(value.index);
    case Value::From::token: return arguments.token;
  }
  return {};
}

/// The longest that one byte becomes: "%0A" in a URL, "\u000a" in JSON.
constexpr std::size_t kLongestEncoding = 6;

/// Room enough for the encoded parameters. Text with secrets in it must not outgrow its memory,
/// which would be left behind unwiped.
std::size_t room_for(const std::vector<Parameter>& parameters, const CallArguments& arguments) {
  std::size_t room = 2;
  for (const Parameter& parameter : parameters) {
    constexpr std::size_t kPunctuation = 6;
    room += kPunctuation +
            kLongestEncoding * (parameter.name.size() + text_of(parameter.value, arguments).size());
  }
  return room;
}

void append_encoded(std::string& text, std::string_view raw) {
  std::size_t at = text.size();
  std::size_t size = urls::encoded_size(raw, urls::unreserved_chars);
  text.resize(at + size);
  urls::encode(text.data() + at, size, raw, urls::unreserved_chars);
}

/// name=value&name=value, as in a query and in a form.
void append_pairs(std::string& text, const std::vector<Parameter>& parameters,
                  const CallArguments& arguments) {
  char separator = '\0';
  for (const Parameter& parameter : parameters) {
    if (separator != '\0') text += separator;
    separator = '&';
    append_encoded(text, parameter.name);
    text += '=';
    append_encoded(text, text_of(parameter.value, arguments));
  }
}

Secret url_of(const Call& call, std::string_view base_url, const CallArguments& arguments) {
  constexpr std::string_view kApp = "{app}";
  std::string url;
  url.reserve(base_url.size() + call.path.size() + kLongestEncoding * arguments.app.size() +
              room_for(call.query, arguments));
  url += base_url;
  auto app_at = call.path.find(kApp);
  url += call.path.substr(0, app_at);
  if (app_at != std::string::npos) {
    append_encoded(url, arguments.app);
    url += call.path.substr(app_at + kApp.size());
  }
  if (!call.query.empty()) {
    url += '?';
    append_pairs(url, call.query, arguments);
  }
  return Secret(std::move(url));
}

Secret json_of(const std::vector<Parameter>& parameters, const CallArguments& arguments) {
  WipingMemory memory;
  json::object object{json::storage_ptr(&memory)};
  for (const auto& [name, value] : parameters) {
    if (value.from == Value::From::force) {
      object.emplace(name, arguments.force);
    } else {
      std::string_view text = text_of(value, arguments);
      object.emplace(name, json::string_view(text.data(), text.size()));
    }
  }
  std::string text(room_for(parameters, arguments), '\0');
  json::serializer serializer;
  serializer.reset(&object);
  text.resize(serializer.read(text.data(), text.size()).size());
  return Secret(std::move(text));
}

Secret form_of(const std::vector<Parameter>& parameters, const CallArguments& arguments) {
  std::string text;
  text.reserve(room_for(parameters, arguments));
  append_pairs(text, parameters, arguments);
  return Secret(std::move(text));
}

}  // namespace

net::HttpRequest build_request(const Call& call, std::string_view base_url,
                               const CallArguments& arguments, Milliseconds timeout) {
  net::HttpRequest request;
  request.method = call.method;
  request.url = url_of(call, base_url, arguments);
  request.timeout = timeout;
  if (call.bearer) request.authorization = Secret(text_of(*call.bearer, arguments));
  if (call.body.empty()) return request;

  if (call.encoding == Call::Encoding::json) {
    request.body = json_of(call.body, arguments);
    request.content_type = "application/json";
  } else {
    request.body = form_of(call.body, arguments);
    request.content_type = "application/x-www-form-urlencoded";
  }
  return request;
}

}  // namespace hufu::platform
