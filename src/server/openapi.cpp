#include "server/openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <set>

#include "server/drop_in.hpp"
#include "server/route_table.hpp"

namespace hufu::server {
namespace {

namespace json = boost::json;
using platform::DropInRoute;
using Place = ReplyTemplate::Place;

json::string text(std::string_view text) { return json::string(text.data(), text.size()); }

/// "getCgiBinToken"
std::string operation_id(const Route& route) {
  std::string id;
  for (const char c : route.method) {
    id += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  bool begins = true;
  for (const char c : route.path) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      begins = true;
      continue;
    }
    id += begins ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    begins = false;
  }
  return id;
}

json::object query_parameter(std::string_view name, json::object schema) {
  return {{"name", text(name)}, {"in", "query"}, {"required", true}, {"schema", std::move(schema)}};
}

/// What tells the kinds of a path from each other, and its values: "type", {"jsapi", "wx_card"}.
std::map<std::string, std::set<std::string>> choices_of(const DropInPath& path) {
  std::map<std::string, std::set<std::string>> choices;
  for (const DropInKind& kind : path.kinds) {
    for (const auto& [name, value] : kind.route.query) choices[name].insert(value);
  }
  return choices;
}

/// What a caller sends by name, with its schema.
std::map<std::string, json::object> members_of(const DropInRoute& route) {
  std::map<std::string, json::object> members;
  if (!route.id.empty()) members[route.id] = {{"type", "string"}};
  if (!route.secret.empty()) {
    members[route.secret] = {
        {"type", "string"},
        {"description",
         "A key with the right read for this app, or the app's real secret where the app allows "
         "that."}};
  }
  if (!route.grant_type.empty()) members["grant_type"] = {{"const", route.grant_type}};
  return members;
}

json::array parameters_of(const Route& route) {
  const DropInPath& path = *route.drop_in;
  const DropInRoute& shape = path.first().route;
  json::array parameters;
  if (shape.id.empty()) {
    const bool in_header = shape.token.in == platform::TokenPlace::In::header;
    json::object token = query_parameter(shape.token.name, {{"type", "string"}});
    if (in_header) token["in"] = "header";
    token["description"] =
        "A token of the app as it was handed out here, the current one or an older one that is "
        "still promised.";
    // "Authorization" is no parameter to OpenAPI: the security scheme stands for it.
    if (shape.token.name != "Authorization") parameters.push_back(std::move(token));
    for (const auto& [name, values] : choices_of(path)) {
      json::array names;
      for (const std::string& value : values) names.push_back(text(value));
      parameters.push_back(query_parameter(name, {{"enum", std::move(names)}}));
    }
  } else if (route.method == "GET") {
    for (auto& [name, schema] : members_of(shape)) {
      parameters.push_back(query_parameter(name, std::move(schema)));
    }
  }
  parameters.push_back(json::object{{"$ref", "#/components/parameters/margin"}});
  return parameters;
}

json::object body_of(const DropInRoute& route) {
  json::array required;
  json::object properties;
  for (auto& [name, schema] : members_of(route)) {
    required.push_back(text(name));
    properties[name] = std::move(schema);
  }
  if (!route.force.empty()) {
    properties[route.force] = json::object{
        {"type", "boolean"},
        {"default", false},
        {"description",
         "True reports that the current token was refused, which needs the right `report`; without "
         "that it is passed over."}};
  }
  const json::object media = {{"schema", json::object{{"type", "object"},
                                                      {"required", std::move(required)},
                                                      {"properties", std::move(properties)}}}};
  json::object content;
  if (route.parameters != DropInRoute::Parameters::query_or_form) {
    content["application/json"] = media;
  }
  if (route.parameters != DropInRoute::Parameters::json) {
    content["application/x-www-form-urlencoded"] = media;
  }
  return {{"content", std::move(content)}};
}

std::string success_of(const DropInKind& kind) {
  std::string body;
  kind.success.append(body, [&](Place place) { body += place == Place::token ? "…" : "7200"; });
  return body;
}

std::string failure_of(const DropInDialect& dialect) {
  std::string body;
  dialect.body.append(body, [&](Place place) {
    switch (place) {
      case Place::code: body += dialect.failures.wrong_secret; break;
      case Place::message: body += "…"; break;
      case Place::rid: body += "6aac005a-01bfdbee-79769285"; break;
      case Place::token:
      case Place::lifetime: break;
    }
  });
  return body;
}

json::object answer_with(const std::string& description, json::object examples) {
  return {{"description", description},
          {"content", json::object{{"application/json",
                                    json::object{{"schema", json::object{{"type", "object"}}},
                                                 {"examples", std::move(examples)}}}}}};
}

json::object example_of(const std::string& body) {
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  return {{"value", error ? json::value(text(body)) : std::move(value)}};
}

json::object responses_of(const DropInPath& path) {
  json::object successes;
  json::object failures;
  for (const DropInKind& kind : path.kinds) {
    successes[kind.platform + " " + kind.kind] = example_of(success_of(kind));
    failures[kind.platform + ", a wrong secret"] = example_of(failure_of(*kind.dialect));
  }
  const platform::DropInFailures& says = path.dialect().failures;
  json::object responses;
  if (says.status == 200 && says.busy_status == 200) {
    for (auto& failure : failures) successes.insert(failure);
    responses["200"] =
        answer_with("A token, or an error in the platform's shape.", std::move(successes));
    return responses;
  }
  responses["200"] = answer_with("A token.", std::move(successes));
  responses["default"] = answer_with("An error in the platform's shape.", std::move(failures));
  return responses;
}

std::string summary_of(const DropInPath& path) {
  std::string summary;
  for (const DropInKind& kind : path.kinds) {
    const std::string name = kind.kind + " of " + kind.platform;
    if (summary.find(name) != std::string::npos) continue;
    summary += (summary.empty() ? "" : ", ") + name;
  }
  return summary + ", as the platform gives it";
}

json::object operation_of(const Route& route) {
  const DropInPath& path = *route.drop_in;
  const DropInRoute& shape = path.first().route;
  json::object operation = {{"operationId", operation_id(route)},
                            {"tags", json::array{"platform"}},
                            {"summary", summary_of(path)}};
  const json::object by_token = {{"access_token", json::array{}}};
  const json::object by_secret = {{"secret", json::array{text(name_of(route.right))}}};
  operation["security"] = json::array{shape.id.empty() ? by_token : by_secret};
  operation["parameters"] = parameters_of(route);
  if (route.method == "POST" && !shape.id.empty()) operation["requestBody"] = body_of(shape);
  operation["responses"] = responses_of(path);
  return operation;
}

void name_platforms(json::object& document, const platform::Catalog& catalog) {
  json::array platforms;
  std::set<std::string> kinds;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    platforms.push_back(text(each.name));
    for (const std::string_view kind : platform::kind_names(each)) kinds.emplace(kind);
  }
  json::array names;
  for (const std::string& kind : kinds) names.push_back(text(kind));
  json::object& components = document.at("components").as_object();
  components.at("schemas").at("NewApp").at("properties").at("platform").as_object()["enum"] =
      std::move(platforms);
  components.at("parameters").at("kind").at("schema").as_object()["enum"] = std::move(names);
}

}  // namespace

std::string openapi_document(const platform::Catalog& catalog, const RouteTable& routes) {
  json::value parsed = json::parse(openapi_base());
  json::object& document = parsed.as_object();
  json::object paths;
  for (const Route& route : routes.routes()) {
    if (route.drop_in == nullptr) continue;
    json::value& path = paths[text(route.path)];
    if (!path.is_object()) path = json::object();
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    path.as_object()[method] = operation_of(route);
  }
  for (auto& own : document.at("paths").as_object()) paths[own.key()] = own.value();
  document["paths"] = std::move(paths);
  name_platforms(document, catalog);
  return json::serialize(document);
}

void openapi(const Call& call) {
  call.reply({200, "application/json", "Cache-Control: max-age=300\r\n", call.services().openapi});
}

}  // namespace hufu::server
