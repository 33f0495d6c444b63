#include "net/http_reply.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

namespace hufu::net {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Other";
  }
}

/// The `code` of a problem the server states by itself.
std::string_view code_of(int status) {
  switch (status) {
    case 408: return "request_timeout";
    case 413: return "body_too_large";
    case 414: return "target_too_long";
    case 417: return "expectation_failed";
    case 431: return "header_too_large";
    case 500: return "internal";
    case 501: return "not_implemented";
    case 503: return "too_many_connections";
    case 505: return "http_version";
    default: return "malformed_request";
  }
}

/// Writes pieces one behind the other into memory that is known to be large enough.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  Writer& operator<<(std::string_view text) {
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  Writer& operator<<(std::size_t number) {
    at_ = std::to_chars(at_, at_ + 20, number).ptr;
    return *this;
  }
  [[nodiscard]] char* at() const { return at_; }

 private:
  char* at_;
};

}  // namespace

void write_reply(ByteBuffer& out, const Reply& reply, const ReplyForm& form) {
  // The fixed words and the two numbers below take less than this.
  constexpr std::size_t kFixed = 192;
  auto free = out.prepare(kFixed + reply.content_type.size() + reply.headers.size() +
                          form.date.size() + reply.body.size());
  Writer writer(free.data());
  if (reply.status == 200) {
    writer << "HTTP/1.1 200 OK\r\n";
  } else {
    writer << "HTTP/1.1 " << static_cast<std::size_t>(reply.status) << " "
           << reason_of(reply.status) << "\r\n";
  }
  writer << form.date;
  // These two never have a body, nor the lines that describe one (RFC 9110, 15.3.5 and 15.4.5).
  bool bodiless = reply.status == 204 || reply.status == 304;
  if (!bodiless) {
    if (!reply.content_type.empty()) writer << "Content-Type: " << reply.content_type << "\r\n";
    writer << "Content-Length: " << reply.body.size() << "\r\n";
  }
  if (form.close) {
    writer << "Connection: close\r\n";
  } else if (form.http10) {
    writer << "Connection: keep-alive\r\n";
  }
  writer << reply.headers << "\r\n";
  if (!bodiless && !form.head) writer << reply.body;
  out.commit(static_cast<std::size_t>(writer.at() - free.data()));
}

void write_problem(ByteBuffer& out, int status, const ReplyForm& form) {
  std::array<char, 160> memory{};
  auto text =
      fmt::format_to_n(memory.data(), memory.size(), R"({{"title":"{}","status":{},"code":"{}"}})",
                       reason_of(status), status, code_of(status));
  write_reply(out,
              {.status = status,
               .content_type = "application/problem+json",
               .headers = status == 503 ? "Retry-After: 1\r\n" : "",
               .body = {memory.data(), text.size}},
              form);
}

std::string date_line(WallTime now) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto day = std::chrono::floor<std::chrono::days>(now);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  return fmt::format("Date: {}, {:02} {} {:04} {:02}:{:02}:{:02} GMT\r\n",
                     kDays.at(std::chrono::weekday(day).c_encoding()), unsigned(date.day()),
                     kMonths.at(unsigned(date.month()) - 1), int(date.year()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

}  // namespace hufu::net
