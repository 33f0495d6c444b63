#include "simulator/call.hpp"

#include <array>
#include <boost/json.hpp>
#include <boost/url/parse_query.hpp>
#include <optional>

namespace hufu::simulator {
namespace {

namespace json = boost::json;

constexpr std::string_view kRoot = "/cgi-bin/";

Endpoint endpoint_of(std::string_view path) {
  struct Row {
    std::string_view name;
    Endpoint endpoint;
  };
  static constexpr std::array kRows = {
      Row{"token", Endpoint::token},
      Row{"stable_token", Endpoint::stable_token},
      Row{"ticket/getticket", Endpoint::ticket},
      Row{"clear_quota", Endpoint::clear_quota},
      Row{"clear_quota/v2", Endpoint::clear_quota_v2},
      Row{"openapi/quota/get", Endpoint::quota_get},
      Row{"openapi/quota/clear", Endpoint::quota_clear},
  };
  if (path.starts_with("/wxa/")) return Endpoint::business;
  if (!path.starts_with(kRoot)) return Endpoint::none;
  path.remove_prefix(kRoot.size());
  for (const Row& row : kRows)
    if (row.name == path) return row.endpoint;
  return Endpoint::business;
}

void read_query(std::string_view query, Call& call) {
  call.appid = parameter(query, "appid");
  call.secret = parameter(query, "secret");
  call.grant_type = parameter(query, "grant_type");
}

std::string text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

void read_body(std::string_view body, Call& call) {
  json::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object()) return;
  const json::object& object = parsed.get_object();
  call.appid = text(object, "appid");
  call.secret = text(object, call.endpoint == Endpoint::clear_quota_v2 ? "appsecret" : "secret");
  call.grant_type = text(object, "grant_type");
  call.cgi_path = text(object, "cgi_path");
  const json::value* force = object.if_contains("force_refresh");
  call.force_refresh = force != nullptr && force->is_bool() && force->get_bool();
}

/// A request to a page of another platform.
class PageReader {
 public:
  explicit PageReader(const WireRequest& request) : request_(request) {
    json::error_code error;
    json::value parsed = json::parse(request.body, error);
    if (!error && parsed.is_object()) object_ = std::move(parsed.get_object());
  }

  [[nodiscard]] bool has_object() const { return object_.has_value(); }

  /// The first of `places` that is not empty.
  [[nodiscard]] std::string value(Places places) const {
    for (const Place& place : places)
      if (std::string found = value(place); !found.empty()) return found;
    return {};
  }

 private:
  [[nodiscard]] std::string value(const Place& place) const {
    switch (place.part) {
      case Place::Part::query: return parameter(request_.query, place.name);
      case Place::Part::form: return parameter(request_.body, place.name);
      case Place::Part::json: return object_ ? text(*object_, place.name) : std::string();
      case Place::Part::header: break;
    }
    std::string_view header = request_.header(place.name);
    if (!header.starts_with(place.prefix)) return {};
    return std::string(header.substr(place.prefix.size()));
  }

  const WireRequest& request_;
  std::optional<json::object> object_;
};

void read_page(const WireRequest& request, const Page& page, Call& call) {
  const PageReader reader(request);
  call.method_fits = page.method.empty() || page.method == request.method;
  call.object = reader.has_object();
  call.appid = reader.value(page.id);
  call.secret = reader.value(page.secret);
  call.grant_type = reader.value(page.grant);
  call.access_token = reader.value(page.token);
  call.type = reader.value(page.type);
}

}  // namespace

std::string parameter(std::string_view query, std::string_view name) {
  // Boost 1.81 takes the view for a C string and reads on to the next NUL: give it one that ends.
  std::string ended(query);
  auto parsed = boost::urls::parse_query(ended.c_str());
  if (!parsed) return {};
  boost::urls::encoding_opts plus_is_space;
  plus_is_space.space_as_plus = true;
  for (auto item : *parsed)
    if (item.key.decode() == name) return item.value.decode(plus_is_space);
  return {};
}

Call read_call(const WireRequest& request) {
  Call call;
  call.page = page_at(request.path);
  call.endpoint = call.page != nullptr ? Endpoint::page : endpoint_of(request.path);
  // One name for a page, with or without the slash at its end.
  const bool exact = call.page != nullptr && !call.page->path.ends_with('*');
  const std::string_view path = exact ? call.page->path : request.path;
  call.name = path.starts_with(kRoot) ? path.substr(kRoot.size()) : path;
  call.post = request.method == "POST";
  call.peer = request.peer;
  switch (call.endpoint) {
    case Endpoint::token: read_query(request.query, call); break;
    case Endpoint::stable_token:
    case Endpoint::clear_quota_v2: read_body(request.body, call); break;
    case Endpoint::clear_quota:
    case Endpoint::quota_get:
    case Endpoint::quota_clear:
      read_body(request.body, call);
      call.access_token = parameter(request.query, "access_token");
      break;
    case Endpoint::ticket:
      call.access_token = parameter(request.query, "access_token");
      call.type = parameter(request.query, "type");
      break;
    case Endpoint::business: call.access_token = parameter(request.query, "access_token"); break;
    case Endpoint::page: read_page(request, *call.page, call); break;
    case Endpoint::none: break;
  }
  return call;
}

}  // namespace hufu::simulator
