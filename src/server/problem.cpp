#include "server/problem.hpp"

#include <algorithm>
#include <string>

#include "server/json.hpp"

namespace hufu::server {
namespace {

std::string_view title_of(int status) noexcept {
  switch (status) {
    case 400: return "Bad request";
    case 401: return "Not authorised";
    case 403: return "Forbidden";
    case 404: return "Not found";
    case 405: return "Method not allowed";
    case 409: return "Conflict";
    case 429: return "Too many requests";
    case 500: return "Internal error";
    case 503: return "Not available";
    default: return "Error";
  }
}

/// Whole seconds, rounded up: who comes back then is not early.
std::int64_t retry_after(const Error& error) noexcept {
  auto wait = error.retry_after.value_or(Milliseconds(0));
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(wait).count());
}

bool may_be_retried(int status, const Error& error) noexcept {
  return status == 429 || status == 503 || (status == 409 && error.fault == Fault::too_soon);
}

}  // namespace

void reply_problem(const Answer& answer, int status, const Error& error, std::string_view headers) {
  std::string body = R"({"type":"urn:hufu:problem:)";
  body += name_of(error.fault);
  body += R"(","title":)";
  append_string(body, title_of(status));
  body += R"(,"status":)";
  append_number(body, status);
  body += R"(,"detail":)";
  append_string(body, error.message);
  body += R"(,"code":)";
  append_string(body, name_of(error.fault));
  if (error.errcode) {
    body += R"(,"errcode":)";
    append_number(body, *error.errcode);
  }
  if (!error.next_step.empty()) {
    body += R"(,"next_step":)";
    append_string(body, error.next_step);
  }
  body += '}';

  std::string lines(headers);
  if (may_be_retried(status, error)) {
    lines += "Retry-After: " + std::to_string(retry_after(error)) + "\r\n";
  }
  answer.reply({status, "application/problem+json", lines, body});
}

int status_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::usage: return 400;
    case Fault::unauthorised: return 401;
    case Fault::forbidden: return 403;
    case Fault::unknown_app:
    case Fault::unknown_kind: return 404;
    case Fault::config:
    case Fault::refused:
    case Fault::unreachable:
    case Fault::store:
    case Fault::too_soon:
    case Fault::throttled:
    case Fault::internal: return 503;
  }
  return 503;
}

void reply_error(const Answer& answer, const Error& error) {
  reply_problem(answer, status_of(error.fault), error);
}

void reply_unauthenticated(const Answer& answer) {
  reply_problem(answer, 401,
                {Fault::unauthorised,
                 "This needs a key that is known here",
                 "Send Authorization: Bearer KEY, with a key of hufu key create",
                 {},
                 {}},
                "WWW-Authenticate: Bearer\r\n");
}

void reply_forbidden(const Answer& answer, Right right) {
  std::string name(name_of(right));
  reply_problem(answer, 403,
                {Fault::forbidden,
                 "This key has not the right " + name + ", or not for this app",
                 "Ask for a key made with --can " + name + " and for this app",
                 {},
                 {}});
}

void reply_starting(const Answer& answer) {
  reply_problem(answer, 503,
                {Fault::store,
                 "The store is still being read after the start",
                 "Ask again in a second",
                 {},
                 {}});
}

Error unknown_app() {
  return {Fault::unknown_app,
          "There is no such app here",
          "hufu app list shows those there are",
          {},
          {}};
}

}  // namespace hufu::server
