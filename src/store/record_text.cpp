#include "store/record_text.hpp"

#include <openssl/rand.h>

#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace hufu::store {
namespace {

namespace json = boost::json;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes "item;" off the front of `text`; empty where there is no semicolon.
std::optional<std::string_view> next_item(std::string_view& text) {
  auto end = text.find(';');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view item = text.substr(0, end);
  text.remove_prefix(end + 1);
  return item;
}

/// One call, without the semicolon behind it.
std::optional<InDoubtCall> in_doubt_call_from(std::string_view item) {
  using State = InDoubtCall::State;
  InDoubtCall call;
  if (const auto hash = item.find('#'); hash != std::string_view::npos) {
    const auto fence = number(item.substr(hash + 1));
    if (!fence || *fence <= 0) return std::nullopt;
    call.fence = static_cast<std::uint64_t>(*fence);
    item = item.substr(0, hash);
  }
  const bool has_sign = item.ends_with('?') || item.ends_with('!');
  if (has_sign) {
    call.state = item.ends_with('?') ? State::pending : State::known_dead;
    item.remove_suffix(1);
  }
  const auto colon = item.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto called = number(item.substr(0, colon));
  const auto may_die = number(item.substr(colon + 1));
  if (!called || !may_die) return std::nullopt;
  call.called_at = time_from(*called);
  call.may_die_at = time_from(*may_die);
  // Before there was a sign for it, a verdict was told from a call by this order.
  if (!has_sign && call.may_die_at < call.called_at) call.state = State::known_dead;
  return call;
}

std::optional<Fault> fault_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Fault::internal); ++i) {
    if (name_of(static_cast<Fault>(i)) == name) return static_cast<Fault>(i);
  }
  return std::nullopt;
}

/// Parses an object and lets `read` take it apart; nothing where either finds it wanting.
template <class T, class Read>
std::optional<T> read_object(std::string_view text, Read read) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // a platform's words are passed on as they came
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error || !value.is_object()) return std::nullopt;
  try {
    return read(value.get_object());
  } catch (const std::exception&) {  // a member is missing or of another type
    return std::nullopt;
  }
}

std::optional<std::int64_t> optional_number(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  if (!member) return std::nullopt;
  return member->to_number<std::int64_t>();
}

std::string string_member(const json::object& object, std::string_view name) {
  return std::string(std::string_view(object.at(name).as_string()));
}

}  // namespace

std::string text_before_fence(const InDoubtCall& call) {
  using State = InDoubtCall::State;
  std::string text =
      std::to_string(millis(call.called_at)) + ":" + std::to_string(millis(call.may_die_at));
  if (call.state == State::pending) text += '?';
  if (call.state == State::known_dead) text += '!';
  return text;
}

std::string text_of(const InDoubtCall& call) {
  std::string text = text_before_fence(call);
  if (call.fence != 0) text += "#" + std::to_string(call.fence);
  return text + ";";
}

std::string text_of(const std::vector<InDoubtCall>& in_doubt) {
  std::string text;
  for (const InDoubtCall& in_doubt_call : in_doubt) text += text_of(in_doubt_call);
  return text;
}

std::optional<std::vector<InDoubtCall>> in_doubt_from(std::string_view text) {
  std::vector<InDoubtCall> calls;
  while (!text.empty()) {
    const auto item = next_item(text);
    const auto call = item ? in_doubt_call_from(*item) : std::nullopt;
    if (!call) return std::nullopt;
    calls.push_back(*call);
  }
  return calls;
}

std::string text_of(const std::vector<Fingerprint>& fingerprints) {
  std::string text;
  for (Fingerprint fingerprint : fingerprints) text += fingerprint.hex() + ";";
  return text;
}

std::optional<std::vector<Fingerprint>> fingerprints_from(std::string_view text) {
  std::vector<Fingerprint> fingerprints;
  while (!text.empty()) {
    auto item = next_item(text);
    auto fingerprint = item ? Fingerprint::parse(*item) : std::nullopt;
    if (!fingerprint) return std::nullopt;
    fingerprints.push_back(*fingerprint);
  }
  return fingerprints;
}

std::string text_of(const FailureState& failure) {
  const Error& error = failure.error;
  json::object object{{"fault", name_of(error.fault)},
                      {"message", error.message},
                      {"next_step", error.next_step},
                      {"at", millis(failure.at)},
                      {"next_attempt_at", millis(failure.next_attempt_at)},
                      {"failures", failure.failures}};
  if (error.errcode) object["errcode"] = *error.errcode;
  if (error.retry_after) object["retry_after"] = error.retry_after->count();
  if (!failure.credentials.empty()) object["credentials"] = hex_of(failure.credentials);
  if (!failure.host.empty()) object["host"] = failure.host;
  return json::serialize(object);
}

std::optional<FailureState> failure_state_from(std::string_view text) {
  return read_object<FailureState>(
      text, [](const json::object& object) -> std::optional<FailureState> {
        auto fault = fault_named(string_member(object, "fault"));
        if (!fault) return std::nullopt;
        FailureState failure;
        failure.error = {
            *fault, string_member(object, "message"), string_member(object, "next_step"), {}, {}};
        if (auto code = optional_number(object, "errcode")) {
          failure.error.errcode = static_cast<int>(*code);
        }
        if (auto wait = optional_number(object, "retry_after")) {
          failure.error.retry_after = Milliseconds(*wait);
        }
        failure.at = time_from(object.at("at").to_number<std::int64_t>());
        failure.next_attempt_at = time_from(object.at("next_attempt_at").to_number<std::int64_t>());
        failure.failures = object.at("failures").to_number<int>();
        if (object.contains("credentials")) {
          auto credentials = bytes_from_hex(string_member(object, "credentials"));
          if (!credentials) return std::nullopt;
          failure.credentials = std::move(*credentials);
        }
        return failure;
      });
}

std::string text_of(const Budget& budget) {
  if (budget.report_count == 0 && budget.report_counted_at == WallTime() && budget.forced == 0 &&
      !budget.forced_at && budget.deaths == 0) {
    return {};
  }
  json::object object{{"streak", budget.report_count},
                      {"streak_at", millis(budget.report_counted_at)},
                      {"forced", budget.forced}};
  if (budget.forced_at) object["forced_at"] = millis(*budget.forced_at);
  if (budget.deaths != 0) {
    object["deaths"] = budget.deaths;
    object["deaths_since"] = millis(budget.deaths_since);
  }
  return json::serialize(object);
}

std::optional<Budget> budget_from(std::string_view text) {
  if (text.empty()) return Budget();
  return read_object<Budget>(text, [](const json::object& object) -> std::optional<Budget> {
    Budget budget;
    budget.report_count = object.at("streak").to_number<int>();
    budget.report_counted_at = time_from(object.at("streak_at").to_number<std::int64_t>());
    budget.forced = object.at("forced").to_number<int>();
    if (auto at = optional_number(object, "forced_at")) budget.forced_at = time_from(*at);
    if (auto deaths = optional_number(object, "deaths")) {
      budget.deaths = static_cast<int>(*deaths);
      budget.deaths_since = time_from(optional_number(object, "deaths_since").value_or(0));
    }
    return budget;
  });
}

std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xf];
  }
  return hex;
}

std::optional<std::string> bytes_from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::string new_identity() {
  std::array<unsigned char, 8> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return hex_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Error damaged(const Key& key) {
  return {Fault::store,
          "the record of " + key.app + " " + key.kind + " in the database cannot be read",
          "restore the database from a backup, or remove the app and add it again",
          {},
          {}};
}

Record unreadable(const Record& record, Error reason) {
  Record shown = record.clone();
  shown.token.reset();
  shown.failure = FailureState{std::move(reason), record.updated_at, {}, 0, {}};
  return shown;
}

}  // namespace hufu::store
