#include "cli/demo_caller.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

namespace json = boost::json;

std::optional<json::object> object_in(std::string_view text) {
  boost::system::error_code broken;
  json::value value = json::parse(json::string_view(text.data(), text.size()), broken);
  if (broken || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(json::string_view(name.data(), name.size()));
  boost::system::error_code none;
  return value != nullptr ? value->to_number<std::int64_t>(none) : 0;
}

/// The codes with which the platform says that a token is not (or no longer) good.
bool means_dead_token(std::int64_t errcode) {
  return errcode == 40001 || errcode == 40014 || errcode == 42001;
}

}  // namespace

DemoCaller::DemoCaller(Place place, Milliseconds every)
    : place_(std::move(place)),
      every_(every),
      thread_([this](const std::stop_token& stop) { call_again_and_again(stop); }) {}

DemoCaller::~DemoCaller() = default;

void DemoCaller::call_again_and_again(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    call_once();
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, stop, every_, [] { return false; });
  }
}

void DemoCaller::call_once() {
  auto granted = ask_server("GET", "/token", {});
  if (!granted)
    return spdlog::warn("demo: the server cannot be asked: {}", granted.error().message);
  auto grant = object_in(granted->body);
  wipe(granted->body);
  if (!grant || granted->status != 200) {
    return spdlog::warn("demo: no token now (HTTP {}): {}", granted->status,
                        grant ? text_of(*grant, "detail") : "an answer that is no JSON");
  }
  const Secret token(text_of(*grant, "token"));

  net::HttpRequest request;
  request.url = Secret(place_.platform +
                       "/cgi-bin/getcallbackip?access_token=" + std::string(token.reveal()));
  auto answered = send(std::move(request));
  std::string verdict;
  std::int64_t errcode = 0;
  if (!answered) {
    verdict = "the platform cannot be reached: " + answered.error().message;
  } else if (auto answer = object_in(answered->body); !answer) {
    verdict = fmt::format("the platform answers nonsense (HTTP {})", answered->status);
  } else {
    errcode = number_of(*answer, "errcode");
    verdict =
        errcode == 0 ? "platform says alive" : fmt::format("platform refuses it: {}", errcode);
  }
  spdlog::log(verdict == "platform says alive" ? spdlog::level::info : spdlog::level::warn,
              "demo: token fp {} revision {}, {} s promised, {}", text_of(*grant, "fingerprint"),
              number_of(*grant, "revision"), number_of(*grant, "expires_in"), verdict);
  if (means_dead_token(errcode)) report(token);
}

void DemoCaller::report(const Secret& token) {
  auto told = ask_server("POST", "/token/report",
                         Secret(json::serialize(json::object{
                             {"token", json::string_view(token.reveal().data(), token.size())}})));
  if (!told) return spdlog::warn("demo: the server cannot be told: {}", told.error().message);
  auto report = object_in(told->body);
  wipe(told->body);
  if (!report || told->status != 200) {
    return spdlog::warn("demo: reported it, and was refused (HTTP {})", told->status);
  }
  spdlog::info("demo: reported it: {}; now fp {} revision {}", text_of(*report, "outcome"),
               text_of(*report, "fingerprint"), number_of(*report, "revision"));
}

net::HttpOutcome DemoCaller::ask_server(std::string method, std::string_view path, Secret body) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = Secret(fmt::format("{}/v1/apps/{}{}", place_.server, place_.app, path));
  request.authorization = place_.key.clone();
  if (!body.empty()) request.content_type = "application/json";
  request.body = std::move(body);
  return send(std::move(request));
}

net::HttpOutcome DemoCaller::send(net::HttpRequest request) {
  request.timeout = std::chrono::seconds(5);
  auto shared = std::make_shared<net::HttpRequest>(std::move(request));
  return store::await<net::HttpOutcome>(
      [&](Done<net::HttpOutcome> done) { client_.send(std::move(*shared), std::move(done)); });
}

}  // namespace hufu::cli
