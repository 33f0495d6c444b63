#include "net/http1_session.hpp"

#include <algorithm>
#include <utility>

namespace hufu::net {
namespace {

/// What one read is given when the client filled the last one to the brim.
constexpr std::size_t kLargeRead = 16 * 1024;
/// Memory above this is given back when nothing is in it.
constexpr std::size_t kKept = 32 * 1024;

}  // namespace

Http1Session::Http1Session(SessionContext& context, std::string peer, std::uint64_t id)
    : context_(context), peer_(std::move(peer)), id_(id), reader_(context.limits) {}

Http1Session::~Http1Session() { abandon(); }

Http1Session::Phase Http1Session::phase() const noexcept {
  if (!out_.empty()) return Phase::sending;
  if (ended_) return Phase::ending;
  if (waiting_) return Phase::waiting;
  return begun_ ? Phase::receiving : Phase::idle;
}

bool Http1Session::wants_input() const noexcept {
  if (input_ended_ || ended_) return false;
  // While an answer is awaited, reading shows whether the client is still there.
  if (waiting_) return in_.size() < context_.limits.header_bytes;
  return out_.size() < kOutputHighWater;
}

std::span<char> Http1Session::prepare() {
  reader_.tidy(in_);
  if (in_.empty() && in_.capacity() > kKept) in_.release();
  auto free = in_.prepare(std::max(reader_.wanted(in_), filled_last_read_ ? kLargeRead : 0));
  prepared_ = free.size();
  return free;
}

void Http1Session::received(std::size_t count) {
  in_.commit(count);
  filled_last_read_ = count == prepared_;
  process_input();
}

void Http1Session::received_end() {
  input_ended_ = true;
  if (waiting_) abandon();
  process_input();
}

void Http1Session::sent(std::size_t count) {
  out_.consume(count);
  if (!out_.empty()) return;
  if (out_.capacity() > kKept) out_.release();
  // There may be requests that waited for this.
  if (!in_.empty()) process_input();
}

/// Reads and answers requests until one is incomplete, its reply is deferred, or the output has
/// reached its high-water mark.
void Http1Session::process_input() {
  while (!ended_ && !waiting_ && out_.size() < kOutputHighWater) {
    switch (in_.empty() ? RequestReader::Progress::more : reader_.read(in_)) {
      case RequestReader::Progress::whole: call_handler(); break;
      case RequestReader::Progress::bad: reject(reader_.status()); break;
      case RequestReader::Progress::more:
        if (input_ended_) {
          ended_ = true;
          return;
        }
        if (in_.empty()) return;
        if (!std::exchange(begun_, true)) began_ = context_.now;
        if (reader_.take_expectation()) out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        return;
    }
  }
}

void Http1Session::call_handler() {
  ++context_.requests;
  begun_ = false;
  replied_ = false;
  keep_alive_ = reader_.keep_alive();
  http10_ = reader_.http10();
  head_ = reader_.head();
  try {
    context_.handler.handle(reader_.request(in_, peer_), *this);
  } catch (...) {
    // A handler must not throw; where one runs out of memory nonetheless, it costs one answer.
  }
  if (!replied_ && !waiting_) reject(500);
  reader_.finish(in_);
}

void Http1Session::reply(const Reply& reply) {
  if (replied_ || waiting_) return;
  replied_ = true;
  write(reply, in_.size() > reader_.length());
}

std::shared_ptr<Pending> Http1Session::defer() {
  // A second Pending for the same request gets an id that is never outstanding.
  bool first = !replied_ && !waiting_;
  auto pending = context_.defer(*this, first ? ++request_id_ : 0);
  if (first) {
    waiting_ = true;
    deferred_ = pending;
  }
  return pending;
}

void Http1Session::reply_deferred(std::uint64_t request_id, const Reply& reply) {
  if (!waiting_ || request_id != request_id_) return;
  waiting_ = false;
  deferred_.reset();
  write(reply, !in_.empty());
  process_input();
}

void Http1Session::break_off(std::uint64_t request_id, std::string_view bytes) {
  if (!waiting_ || request_id != request_id_) return;
  waiting_ = false;
  deferred_.reset();
  ended_ = true;
  reset_ = bytes.empty();
  out_.append(bytes);
}

void Http1Session::fail(std::uint64_t request_id) {
  if (waiting_ && request_id == request_id_) reject(500);
}

void Http1Session::write(const Reply& reply, bool more_to_come) {
  bool last = !keep_alive_ || ((context_.draining || input_ended_) && !more_to_come);
  write_reply(out_, reply, {head_, last, http10_, context_.date});
  if (last) ended_ = true;
}

void Http1Session::reject(int status) {
  abandon();
  waiting_ = false;
  ended_ = true;
  write_problem(out_, status, {.close = true, .date = context_.date});
}

void Http1Session::abandon() noexcept {
  if (auto deferred = deferred_.lock()) deferred->abandon();
}

}  // namespace hufu::net
