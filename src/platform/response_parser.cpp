#include "platform/response_parser.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "platform/quote.hpp"
#include "platform/wiping_memory.hpp"

namespace hufu::platform {
namespace {

namespace json = boost::json;
using Delivery = IssueFailure::Delivery;

constexpr std::size_t kLongestToken = 4096;

/// Printable ASCII without blanks: all that a token can be made of.
bool fits_a_token(char c) { return c > ' ' && c <= '~'; }

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// A JSON object, parsed into memory that is wiped.
class Document {
 public:
  explicit Document(std::string_view body) {
    json::parser parser{json::storage_ptr(&memory_)};
    parser.reset(json::storage_ptr(&memory_));
    boost::system::error_code error;
    parser.write(body.data(), body.size(), error);
    if (!error) root_.emplace(parser.release());
  }

  [[nodiscard]] bool is_object() const { return root_ && root_->is_object(); }

  /// The member at `path`; null if there is none.
  [[nodiscard]] const json::value* find(std::string_view path) const {
    const json::value* at = root_ ? &*root_ : nullptr;
    while (at != nullptr && !path.empty()) {
      if (!at->is_object()) return nullptr;
      auto name = path.substr(0, path.find('.'));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      at = at->get_object().if_contains(json::string_view(name.data(), name.size()));
    }
    return at;
  }

  /// The string at `path`; empty if there is none.
  [[nodiscard]] std::string_view text(std::string_view path) const {
    const json::value* found = find(path);
    if (found == nullptr || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
  }

  /// The error code at `path` as text, empty if the answer has none; no value at all if something
  /// stands there that cannot be a code.
  [[nodiscard]] std::optional<std::string> code(std::string_view path) const {
    const json::value* found = find(path);
    if (found == nullptr || found->is_null()) return "";
    if (found->is_string()) {
      // Numbers are written one way, so that "040001" is not another code than 40001.
      auto number = number_in<std::int64_t>(text(path));
      return number ? std::to_string(*number) : std::string(text(path));
    }
    if (found->is_int64()) return std::to_string(found->get_int64());
    if (found->is_uint64()) return std::to_string(found->get_uint64());
    return std::nullopt;
  }

 private:
  WipingMemory memory_;
  std::optional<json::value> root_;
};

/// The error code of an answer, as Document::code.
std::optional<std::string> code_in(const Document& document, const Answer& answer) {
  auto code = document.code(answer.code);
  if (answer.exact_code.empty() || !code || code->empty() || *code == answer.success) return code;
  const auto exact = document.code(answer.exact_code);
  return exact && !exact->empty() ? exact : code;
}

/// Whether an error code means success.
bool is_success(const Answer& answer, std::string_view code) {
  return code == answer.success || (code.empty() && answer.success_may_be_silent);
}

/// A lifetime in whole seconds; absurdly large ones come back as merely large, those below 0 as 0.
/// 7200.0 is 7200: JSON knows one kind of number only.
std::optional<std::chrono::seconds> lifetime_in(const json::value& value) {
  constexpr std::int64_t kLarge = 1'000'000'000'000;
  std::int64_t seconds = 0;
  if (value.is_int64()) {
    seconds = value.get_int64();
  } else if (value.is_uint64()) {
    seconds = kLarge;  // The parser makes these only of numbers beyond int64.
  } else if (value.is_double()) {
    double number = value.get_double();
    if (!std::isfinite(number) || std::floor(number) != number) return std::nullopt;
    seconds = number < static_cast<double>(kLarge)
                  ? static_cast<std::int64_t>(std::max(number, 0.0))
                  : kLarge;
  } else if (value.is_string()) {
    std::string_view digits(value.get_string().data(), value.get_string().size());
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    seconds = number_in<std::int64_t>(digits).value_or(kLarge);
  } else {
    return std::nullopt;
  }
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kLarge));
}

/// One answer to one call for a token.
class IssueResponse {
 public:
  IssueResponse(std::string_view title, const KindDescription& kind,
                const net::HttpResponse& response, const IssueRequest& asked)
      : title_(title),
        kind_(kind),
        response_(response),
        asked_(asked),
        document_(response.body),
        code_(code_in(document_, kind.answer)) {}

  [[nodiscard]] IssueOutcome outcome() const {
    int status = response_.status;
    const bool has_error_code =
        document_.is_object() && code_ && !code_->empty() && !is_success(kind_.answer, *code_);
    if (status >= 500 && has_error_code && kind_.answer.errors_come_with_any_status) {
      return refused(Delivery::lost);
    }
    if (status >= 500 || status < 200 || status == 408) return lost(http_status());
    if (status >= 300 && status < 400) {
      return turned_down("redirected the call (" + http_status() + ")",
                         "check base_url: it must be the address of the platform's API itself");
    }
    if (has_error_code) return refused(Delivery::answered);
    if (status >= 400) {
      return turned_down("turned the call down with " + http_status() + " and no error code",
                         "check base_url, and what stands between here and the platform");
    }
    if (!document_.is_object()) return lost(what_it_is_instead());
    if (!code_ || !is_success(kind_.answer, *code_)) {
      return lost("an answer that tells neither success nor failure");
    }
    return issued();
  }

 private:
  [[nodiscard]] IssueOutcome issued() const {
    const json::value* token = document_.find(kind_.answer.token);
    if (token == nullptr || !token->is_string()) return lost("success, but no token in it");
    std::string_view value = document_.text(kind_.answer.token);
    if (value.empty()) return lost("success, but an empty token");
    if (value.size() > kLongestToken) return lost("success, but a token of more than 4 KiB");
    if (!std::all_of(value.begin(), value.end(), fits_a_token)) {
      return lost("success, but a token with blanks, control characters or other than ASCII");
    }
    auto lifetime = this->lifetime();
    if (!lifetime) return lost(lifetime.error());
    Issued issued{Secret(value), std::min(*lifetime, kind_.rule.longest_life)};
    if (!kind_.answer.refresh_token.empty()) {
      issued.refresh_token = Secret(document_.text(kind_.answer.refresh_token));
    }
    return issued;
  }

  /// Of the token, or what is wrong with it.
  [[nodiscard]] tl::expected<Milliseconds, std::string> lifetime() const {
    const Milliseconds fallback = kind_.answer.default_lifetime;
    const json::value* found = document_.find(kind_.answer.lifetime);
    if (found == nullptr || found->is_null()) {
      if (fallback > Milliseconds(0)) return fallback;
      return tl::unexpected<std::string>("a token without a lifetime");
    }
    const auto seconds = lifetime_in(*found);
    if (seconds && seconds->count() > 0) return *seconds;
    if (seconds && fallback > Milliseconds(0)) return fallback;
    return tl::unexpected<std::string>("a token whose lifetime is not a whole number above 0");
  }

  /// The platform said no, and why.
  [[nodiscard]] IssueOutcome refused(Delivery delivery) const {
    static const ErrorMapping kUnknown{.words = "Hufu does not know this error code",
                                       .fix = "look the code up in the platform's documentation"};
    auto entry = kind_.errors.find(*code_);
    const ErrorMapping& mapping = entry == kind_.errors.end() ? kUnknown : entry->second;

    Error error;
    error.fault = Fault::refused;
    error.errcode = mapping.passed_on_as ? mapping.passed_on_as : number_in<int>(*code_);
    std::string_view its_words = document_.text(kind_.answer.text);
    std::string shown = error.errcode ? std::to_string(*error.errcode) : quoted(*code_);
    error.message = title_ + " refused (" + (shown.empty() ? "no code" : shown) +
                    "): " + filled_in(mapping.words, its_words);
    // Words that belong to another code than the one handed on would only mislead.
    if (!mapping.passed_on_as && !its_words.empty()) {
      std::string quote = quoted(its_words);
      error.message += quote.empty() ? " (its own words are withheld: they repeat a secret)"
                                     : " (\"" + quote + "\")";
    }
    error.next_step = filled_in(mapping.fix, its_words);
    if (mapping.retry_class == RetryClass::next_minute) error.retry_after = std::chrono::minutes(1);
    return tl::unexpected(
        IssueFailure{std::move(error), delivery, mapping.retry_class, mapping.this_node_only});
  }

  /// Something said no, but not in the platform's way.
  [[nodiscard]] IssueOutcome turned_down(const std::string& what, std::string next_step) const {
    Error error{Fault::refused, title_ + " " + what, std::move(next_step), {}, {}};
    bool too_many = response_.status == 429;
    if (auto seconds = number_in<int>(response_.retry_after); too_many && seconds && *seconds > 0) {
      error.retry_after = std::chrono::seconds(*seconds);
    }
    return fail_with(std::move(error), Delivery::answered,
                     too_many ? RetryClass::next_minute : RetryClass::backoff);
  }

  [[nodiscard]] IssueOutcome lost(const std::string& what) const {
    Error error{Fault::unreachable,
                title_ + " answered with " + what,
                "check base_url, and whether a proxy answers in the platform's place; Hufu tries "
                "again by itself",
                {},
                {}};
    return fail_with(std::move(error), Delivery::lost, RetryClass::backoff);
  }

  [[nodiscard]] static IssueOutcome fail_with(Error error, Delivery delivery,
                                              RetryClass retry_class) {
    return tl::unexpected(IssueFailure{std::move(error), delivery, retry_class});
  }

  [[nodiscard]] std::string http_status() const {
    return "HTTP " + std::to_string(response_.status);
  }

  [[nodiscard]] std::string what_it_is_instead() const {
    auto start = response_.body.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) return "an empty body";
    if (response_.body[start] == '<') return "HTML or XML instead of JSON";
    return "something that is not a whole JSON object";
  }

  /// The platform's words, fit to be shown; empty if they repeat a secret.
  [[nodiscard]] std::string quoted(std::string_view words) const {
    std::vector<std::string_view> hidden{asked_.refresh_token.reveal(),
                                         document_.text(kind_.answer.token),
                                         document_.text(kind_.answer.refresh_token)};
    for (const Secret& token : asked_.needed) hidden.push_back(token.reveal());
    for (const auto& [name, secret] : asked_.credentials) hidden.push_back(secret.reveal());
    return quote(words, hidden);
  }

  [[nodiscard]] std::string filled_in(std::string words, std::string_view its_words) const {
    auto replace = [&](std::string_view name, std::string_view value) {
      if (auto at = words.find(name); at != std::string::npos) {
        words.replace(at, name.size(), value);
      }
    };
    replace("{app}", asked_.app);
    replace("{ip}", first_address(its_words).value_or("this machine's public address"));
    return words;
  }

  const std::string title_;
  const KindDescription& kind_;
  const net::HttpResponse& response_;
  const IssueRequest& asked_;
  Document document_;
  std::optional<std::string> code_;
};

}  // namespace

IssueOutcome parse_issue_response(std::string_view title, const KindDescription& kind,
                                  const net::HttpOutcome& outcome, const IssueRequest& asked) {
  if (outcome) return IssueResponse(title, kind, *outcome, asked).outcome();

  const bool sent = outcome.error().reach == net::HttpFailure::Reach::lost;
  Error error;
  error.fault = Fault::unreachable;
  error.message = std::string(title) + (sent ? " gave no answer: " : " cannot be reached: ") +
                  outcome.error().message;
  error.next_step = outcome.error().next_step;
  if (error.next_step.empty()) {
    error.next_step = "check the network, name resolution and base_url; Hufu tries again by itself";
  }
  return tl::unexpected(IssueFailure{std::move(error), sent ? Delivery::lost : Delivery::not_sent,
                                     RetryClass::backoff});
}

ProbeResult parse_probe_response(const KindDescription& kind, const net::HttpOutcome& outcome) {
  if (!kind.probe || !outcome) return ProbeResult::unknown;
  const Document document(outcome->body);
  const Probe& probe = *kind.probe;
  const int status = outcome->status;
  if (status >= 500) return ProbeResult::unknown;
  const bool successful = status >= 200 && status < 300;

  if (!probe.active.empty()) {
    const json::value* active = document.find(probe.active);
    if (!successful || active == nullptr || !active->is_bool()) return ProbeResult::unknown;
    return active->get_bool() ? ProbeResult::alive : ProbeResult::dead;
  }

  const auto holds = [](const std::vector<std::string>& codes, std::string_view code) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
  };
  if (holds(probe.dead, std::to_string(status))) return ProbeResult::dead;
  const auto code = code_in(document, kind.answer);
  if (!document.is_object() || !code) return ProbeResult::unknown;
  if (holds(probe.dead, *code)) return ProbeResult::dead;
  if (holds(probe.alive, *code)) return ProbeResult::alive;
  const bool accepted = successful && is_success(kind.answer, *code) &&
                        (!code->empty() || document.find(probe.sign_of_life) != nullptr);
  return accepted ? ProbeResult::alive : ProbeResult::unknown;
}

}  // namespace hufu::platform
