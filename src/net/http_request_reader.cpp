#include "net/http_request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>
#include <optional>

namespace hufu::net {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

/// As Apache: nobody with good intentions sends more.
constexpr std::size_t kMostFields = 100;
/// What one read is given at least.
constexpr std::size_t kLeastRead = 1024;

std::string_view plain(BeastView text) { return {text.data(), text.size()}; }

bool same_word(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

/// 505 for a well-formed request line of another version ("PRI * HTTP/2.0"), 400 for all else.
int status_of_version(std::string_view bytes) {
  auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
  auto version = line.substr(line.rfind(' ') + 1);
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  bool well_formed = version.size() == 8 && version.starts_with("HTTP/") && digit(version[5]) &&
                     version[6] == '.' && digit(version[7]);
  return well_formed && version != "HTTP/1.0" && version != "HTTP/1.1" ? 505 : 400;
}

int status_of(error_code error, std::string_view bytes) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit) return 431;
  if (error == http::error::bad_version) return status_of_version(bytes);
  return 400;
}

}  // namespace

/// Beast's parser, which records where things are instead of copying them. It is always
/// shown a whole header at once, so everything it reports lies in the buffer.
class RequestReader::Parser final : public http::basic_parser<true> {
 public:
  /// `reader` is told what is found; without one the bytes are only checked.
  Parser(RequestReader* reader, const char* origin) : reader_(reader), origin_(origin) {
    // The reader knows its limits better: Beast counts only what it has not used up yet.
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

  int hosts = 0;
  int codings = 0;
  std::string_view coding;
  std::string_view expectation;
  char* body_end = nullptr;  ///< Where the next piece of a chunked body goes.

 private:
  Span span_of(std::string_view text) const {
    return {static_cast<std::uint32_t>(text.data() - origin_),
            static_cast<std::uint32_t>(text.size())};
  }

  void on_request_impl(http::verb, BeastView method, BeastView target, int version,
                       error_code&) override {
    if (reader_ == nullptr) return;
    reader_->method_ = span_of(plain(method));
    reader_->target_ = span_of(plain(target));
    reader_->http10_ = version == 10;
    reader_->head_ = method == "HEAD";
  }

  void on_field_impl(http::field name, BeastView name_text, BeastView value,
                     error_code& error) override {
    if (reader_ == nullptr) return;
    if (reader_->header_done_) return;  // A trailer: nobody here asks for one.
    if (reader_->fields_.size() == kMostFields) {
      error = http::error::header_limit;
      return;
    }
    // A folded value lies in memory of Beast's, or on a line below its name.
    const char* after_name = name_text.data() + name_text.size() + 1;
    if (value.data() < after_name || value.data() > after_name + limits_of_header() ||
        std::any_of(after_name, value.data(), [](char c) { return c == '\n'; })) {
      error = http::error::bad_obs_fold;
      return;
    }
    reader_->fields_.push_back({span_of(plain(name_text)), span_of(plain(value))});
    switch (name) {
      case http::field::host: ++hosts; break;
      case http::field::transfer_encoding:
        ++codings;
        coding = plain(value);
        break;
      case http::field::expect: expectation = plain(value); break;
      default: break;
    }
  }
  std::size_t limits_of_header() const { return reader_->header_size_; }

  std::size_t on_chunk_body_impl(std::uint64_t, BeastView piece, error_code&) override {
    std::memmove(body_end, piece.data(), piece.size());
    body_end += piece.size();
    return piece.size();
  }

  std::size_t on_body_impl(BeastView piece, error_code&) override { return piece.size(); }
  void on_response_impl(int, BeastView, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  RequestReader* reader_;
  const char* origin_;
};

struct RequestReader::ParserSlot {
  std::optional<Parser> parser;
};

RequestReader::RequestReader(const ServerLimits& limits)
    : limits_(limits), parser_(std::make_unique<ParserSlot>()) {}

RequestReader::~RequestReader() = default;

RequestReader::Progress RequestReader::read(ByteBuffer& in) {
  if (!header_done_) {
    auto progress = read_header(in);
    if (progress != Progress::whole) return progress;
  }
  return read_body(in);
}

RequestReader::Progress RequestReader::read_header(ByteBuffer& in) {
  if (looked_at_ == 0) {
    // Empty lines before a request line are forgiven (RFC 9112, 2.2): some clients end a body so.
    while (in.view().starts_with("\r\n")) in.consume(2);
  }
  auto bytes = in.view();
  constexpr std::string_view kEnd = "\r\n\r\n";
  auto from = looked_at_ < kEnd.size() ? 0 : looked_at_ - (kEnd.size() - 1);
  const void* end = ::memmem(bytes.data() + from, bytes.size() - from, kEnd.data(), kEnd.size());
  if (end == nullptr) return header_is_incomplete(in);

  header_size_ =
      static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + kEnd.size();
  if (header_size_ > limits_.header_bytes) {
    return refuse(bytes.find('\n') >= limits_.header_bytes ? 414 : 431);
  }
  auto& parser = parser_->parser.emplace(this, bytes.data());
  parser.body_limit(limits_.body_bytes);
  error_code error;
  parser.put(boost::asio::const_buffer(bytes.data(), header_size_), error);
  if (error) return refuse(status_of(error, bytes));
  if (int status = check_header(in); status != 0) return refuse(status);
  header_done_ = true;
  used_ = header_size_;
  return Progress::whole;
}

/// There is no end of a header yet. Whoever sends what can never become a request is told so now,
/// and not when the time for it is up.
RequestReader::Progress RequestReader::header_is_incomplete(ByteBuffer& in) {
  auto bytes = in.view();
  bool first_look = looked_at_ == 0;
  auto news = bytes.substr(std::min(looked_at_, bytes.size()));
  looked_at_ = bytes.size();
  if (bytes.size() >= limits_.header_bytes) {
    return refuse(bytes.find('\n') >= limits_.header_bytes ? 414 : 431);
  }
  // Each line is worth one look, a byte is not: that would be quadratic for a slow sender.
  if (bytes.empty() || (!first_look && news.find('\n') == std::string_view::npos)) {
    return Progress::more;
  }
  if (bytes == "\r") {
    looked_at_ = 0;
    return Progress::more;
  }
  Parser check(nullptr, bytes.data());
  error_code error;
  check.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_more) return refuse(status_of(error, bytes));
  return Progress::more;
}

/// What Beast leaves to its user. The status to refuse with, or 0.
int RequestReader::check_header(const ByteBuffer& in) {
  auto& parser = *parser_->parser;
  if (!split_target(in.view())) return 400;
  if (in.view().substr(method_.at, method_.size) == "CONNECT") return 501;
  if (parser.hosts > 1 || (parser.hosts == 0 && !http10_)) return 400;
  if (parser.codings != 0) {
    // Beast reads past a coding it does not know, and would take the body for the next request.
    if (http10_) return 400;
    if (parser.codings > 1 || !same_word(parser.coding, "chunked")) return 501;
  }
  chunked_ = parser.chunked();
  keep_alive_ = parser.keep_alive();
  if (!parser.expectation.empty() && !http10_) {
    if (!same_word(parser.expectation, "100-continue")) return 417;
    expects_ = !parser.is_done();
  }
  parser.coding = parser.expectation = {};  // The buffer may move from here on.
  return 0;
}

/// Finds path and query. "http://host/path" (RFC 9112, 3.2.2) is read as "/path".
bool RequestReader::split_target(std::string_view bytes) {
  auto target = bytes.substr(target_.at, target_.size);
  std::uint32_t at = target_.at;
  if (target.front() != '/' && target != "*") {
    auto method = bytes.substr(method_.at, method_.size);
    if (method == "CONNECT") return true;
    auto scheme = target.find("://");
    if (scheme == std::string_view::npos || !(same_word(target.substr(0, scheme), "http") ||
                                              same_word(target.substr(0, scheme), "https"))) {
      return false;
    }
    auto authority = scheme + 3;
    auto rest = std::min(target.find_first_of("/?", authority), target.size());
    if (rest == authority) return false;
    at += static_cast<std::uint32_t>(rest);
    target.remove_prefix(rest);
  }
  auto mark = std::min(target.find('?'), target.size());
  path_ = {at, static_cast<std::uint32_t>(mark)};
  auto after = std::min(mark + 1, target.size());
  query_ = {at + static_cast<std::uint32_t>(after),
            static_cast<std::uint32_t>(target.size() - after)};
  return true;
}

RequestReader::Progress RequestReader::read_body(ByteBuffer& in) {
  auto& parser = *parser_->parser;
  if (!chunked_) {
    auto length = parser.content_length();
    body_size_ = length ? static_cast<std::size_t>(*length) : 0;
    if (in.size() - header_size_ < body_size_) return Progress::more;
    used_ = header_size_ + body_size_;
    return Progress::whole;
  }
  // Chunks are decoded in place: each piece moves down to the end of the body so far.
  parser.body_end = in.data() + header_size_ + body_size_;
  const char* body = in.data() + header_size_;
  while (!parser.is_done()) {
    auto rest = in.view().substr(used_);
    // No chunked body ends in less, and Beast asserts as much.
    if (rest.size() < 5) break;
    error_code error;
    auto used = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    used_ += used;
    auto decoded = static_cast<std::size_t>(parser.body_end - body) - body_size_;
    body_size_ += decoded;
    // Extensions and trailers get as much room as a header.
    auto around = error == http::error::need_more ? rest.size() : used - decoded;
    if (around >= limits_.header_bytes) return refuse(431);
    if (error == http::error::need_more) break;
    if (error) return refuse(error == http::error::body_limit ? 413 : 400);
  }
  return parser.is_done() ? Progress::whole : Progress::more;
}

RequestReader::Progress RequestReader::refuse(int status) noexcept {
  status_ = status;
  return Progress::bad;
}

const Request& RequestReader::request(const ByteBuffer& in, std::string_view peer) {
  auto bytes = in.view();
  auto piece = [&](Span span) { return bytes.substr(span.at, span.size); };
  parsed_.bytes = bytes;
  parsed_.method = piece(method_);
  parsed_.path = path_.size == 0 ? std::string_view("/") : piece(path_);
  parsed_.query = piece(query_);
  parsed_.body = bytes.substr(header_size_, body_size_);
  parsed_.peer = peer;
  return parsed_;
}

std::string_view RequestReader::ParsedRequest::header(std::string_view name) const noexcept {
  for (const auto& field : fields_) {
    if (field.name.size == name.size() &&
        same_word(bytes.substr(field.name.at, field.name.size), name)) {
      return bytes.substr(field.value.at, field.value.size);
    }
  }
  return {};
}

void RequestReader::finish(ByteBuffer& in) {
  in.consume(used_);
  header_done_ = chunked_ = expects_ = false;
  looked_at_ = header_size_ = body_size_ = used_ = 0;
  fields_.clear();
}

void RequestReader::tidy(ByteBuffer& in) {
  auto kept = header_size_ + body_size_;
  if (!header_done_ || !chunked_ || used_ <= kept) return;
  in.erase(kept, used_ - kept);
  used_ = kept;
}

std::size_t RequestReader::wanted(const ByteBuffer& in) const noexcept {
  if (header_done_ && !chunked_) {
    auto whole = header_size_ + body_size_;
    return std::max(kLeastRead, whole > in.size() ? whole - in.size() : 0);
  }
  return kLeastRead;
}

}  // namespace hufu::net
