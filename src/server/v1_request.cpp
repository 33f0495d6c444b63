#include "server/v1_request.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <utility>

#include "platform/wiping_memory.hpp"

namespace hufu::server {
namespace {

namespace json = boost::json;

constexpr std::int64_t kUsualPage = 100;
constexpr std::int64_t kLargestPage = 1000;

constexpr std::array<std::pair<std::string_view, keeper::StateFilter>, 5> kStates = {{
    {"fresh", keeper::StateFilter::fresh},
    {"stale", keeper::StateFilter::stale},
    {"unusable", keeper::StateFilter::unusable},
    {"missing", keeper::StateFilter::missing},
    {"failing", keeper::StateFilter::failing},
}};

std::optional<keeper::StateFilter> state_from(const Value& value) {
  if (!value.present()) return keeper::StateFilter::any;
  for (const auto& [name, state] : kStates) {
    if (value.text() == name) return state;
  }
  return std::nullopt;
}

/// What a person is shown of a name that somebody sent.
std::string_view beginning(std::string_view name) noexcept { return name.substr(0, 64); }

}  // namespace

void reply_usage(const Answer& answer, std::string message, std::string next_step) {
  reply_problem(answer, 400, {Fault::usage, std::move(message), std::move(next_step), {}, {}});
}

std::optional<PageQuery> page_or_reply(const Call& call) {
  const std::string_view query = call.request().query;
  const Value after(query, "after");
  const Value limit(query, "limit");
  const Value state(query, "state");
  const std::int64_t size = limit.present() ? limit.number().value_or(0) : kUsualPage;
  if (after.broken() || size < 1) {
    reply_usage(call, "after is the next of the page before, and limit a number above 0");
    return std::nullopt;
  }
  const auto filter = state_from(state);
  if (!filter) {
    reply_usage(call, "state is none that there is",
                "Known are: fresh, stale, unusable, missing, failing");
    return std::nullopt;
  }
  return PageQuery{std::string(after.text()),
                   static_cast<std::size_t>(std::min(size, kLargestPage)), *filter};
}

std::optional<json::object> object_or_reply(const Call& call) {
  boost::system::error_code error;
  json::value body =
      json::parse(call.request().body, error, json::make_shared_resource<platform::WipingMemory>());
  if (!error && body.is_object()) return std::move(body.get_object());
  reply_usage(call, "The body is not a JSON object");
  return std::nullopt;
}

std::optional<json::object> object_or_reply(const Call& call,
                                            std::initializer_list<std::string_view> members) {
  std::optional<json::object> body = object_or_reply(call);
  if (!body) return std::nullopt;
  std::string unknown;
  for (const auto& member : *body) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(members.begin(), members.end(), name) != members.end()) continue;
    if (!unknown.empty()) unknown += ", ";
    unknown += beginning(name);
  }
  if (unknown.empty()) return body;
  std::string known;
  for (std::string_view name : members) known += (known.empty() ? "" : ", ") + std::string(name);
  reply_usage(call, "Unknown in the body: " + unknown, "Known are: " + known);
  return std::nullopt;
}

std::optional<std::string_view> text_member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string().data(), value->get_string().size());
}

}  // namespace hufu::server
