#pragma once

#include <string>
#include <string_view>

#include "hufu/clock.hpp"
#include "net/byte_buffer.hpp"
#include "net/http_handler.hpp"

namespace hufu::net {

/// What the request and the connection say about the form of an answer.
struct ReplyForm {
  bool head = false;        ///< The request was HEAD: a length, but no body.
  bool close = false;       ///< The last answer on this connection.
  bool http10 = false;      ///< The client must be told when the connection stays open.
  std::string_view date{};  ///< A complete `Date` line.
};

/// Appends `reply` to `out` as HTTP/1.1 bytes. Allocates only where `out` must grow.
void write_reply(ByteBuffer& out, const Reply& reply, const ReplyForm& form);

/// Appends the server's own answer to a request it cannot hand to anybody: a small
/// `application/problem+json`.
void write_problem(ByteBuffer& out, int status, const ReplyForm& form);

/// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" (RFC 9110, 5.6.7).
std::string date_line(WallTime now);

}  // namespace hufu::net
