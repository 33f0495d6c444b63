#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hufu/config.hpp"
#include "net/byte_buffer.hpp"
#include "net/http_handler.hpp"

namespace hufu::net {

/// Finds one request after the other at the front of a buffer of received bytes.
///
/// Stricter than RFC 9112 demands where two readers of the same bytes could see two different
/// requests: both lengths at once, a coding other than `chunked`, folded lines, lone CR or LF, a
/// missing or second Host are refused, never repaired.
///
/// A request stays in the buffer, header and (decoded) body side by side, until `finish`. Bytes may
/// be added behind it and the buffer may move meanwhile: nothing here points into it. Once warm it
/// allocates nothing. Thread-safety: none.
class RequestReader {
 public:
  explicit RequestReader(const ServerLimits& limits);
  ~RequestReader();

  enum class Progress {
    more,   ///< Not whole yet.
    whole,  ///< `request()` may be looked at; then call `finish`.
    bad,    ///< `status()` says what is wrong; nothing behind it can be read.
  };
  /// Looks at what is there; call it again when more has arrived.
  Progress read(ByteBuffer& in);

  /// The request that is whole; its views point into `in` until that is changed.
  const Request& request(const ByteBuffer& in, std::string_view peer);
  /// Takes the request out of `in` and gets ready for the next one.
  void finish(ByteBuffer& in);
  /// Closes the gap that decoding left in `in`. To be called before more is received.
  void tidy(ByteBuffer& in);

  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] bool keep_alive() const noexcept { return keep_alive_; }
  [[nodiscard]] bool http10() const noexcept { return http10_; }
  [[nodiscard]] bool head() const noexcept { return head_; }
  /// Bytes at the front of the buffer that belong to this request, as far as it was read.
  [[nodiscard]] std::size_t length() const noexcept { return used_; }
  /// Whether the client waits for "100 Continue" before it sends the body; true once a request.
  [[nodiscard]] bool take_expectation() noexcept { return std::exchange(expects_, false); }
  /// How much free space to receive into.
  [[nodiscard]] std::size_t wanted(const ByteBuffer& in) const noexcept;

 private:
  /// A piece of the request, counted from its first byte.
  struct Span {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  struct Field {
    Span name;
    Span value;
  };
  /// The whole request, as a handler sees it.
  class ParsedRequest final : public Request {
   public:
    explicit ParsedRequest(const std::vector<Field>& fields) : fields_(fields) {}
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept override;
    std::string_view bytes;

   private:
    const std::vector<Field>& fields_;
  };
  class Parser;
  struct ParserSlot;

  Progress read_header(ByteBuffer& in);
  Progress header_is_incomplete(ByteBuffer& in);
  Progress read_body(ByteBuffer& in);
  Progress refuse(int status) noexcept;
  int check_header(const ByteBuffer& in);
  bool split_target(std::string_view bytes);

  const ServerLimits& limits_;
  std::unique_ptr<ParserSlot> parser_;

  // Of the request at the front.
  bool header_done_ = false;
  bool chunked_ = false;
  bool expects_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool head_ = false;
  int status_ = 0;
  std::size_t looked_at_ = 0;  ///< Bytes that are known to hold no end of the header.
  std::size_t header_size_ = 0;
  std::size_t body_size_ = 0;  ///< Of a chunked body: what is decoded so far.
  std::size_t used_ = 0;       ///< Bytes that need not be read again.
  Span method_, target_, path_, query_;
  std::vector<Field> fields_;
  ParsedRequest parsed_{fields_};
};

}  // namespace hufu::net
