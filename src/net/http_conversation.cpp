#include "net/http_conversation.hpp"

#include <algorithm>
#include <utility>

namespace hufu::net {
namespace {

/// What one read is given when the client filled the last one to the brim.
constexpr std::size_t kLargeRead = 16 * 1024;
/// Memory above this is given back when nothing is in it.
constexpr std::size_t kKept = 32 * 1024;

}  // namespace

Conversation::Conversation(Surroundings& around, std::string peer, std::uint64_t id)
    : around_(around), peer_(std::move(peer)), id_(id), reader_(around.limits) {}

Conversation::~Conversation() { abandon(); }

Conversation::Phase Conversation::phase() const noexcept {
  if (!out_.empty()) return Phase::sending;
  if (ended_) return Phase::ending;
  if (waiting_) return Phase::waiting;
  return begun_ ? Phase::receiving : Phase::idle;
}

bool Conversation::wants_input() const noexcept {
  if (input_ended_ || ended_) return false;
  // While an answer is awaited, reading shows whether the client is still there.
  if (waiting_) return in_.size() < around_.limits.header_bytes;
  return out_.size() < kEnough;
}

std::span<char> Conversation::room() {
  reader_.tidy(in_);
  if (in_.empty() && in_.capacity() > kKept) in_.release();
  auto room = in_.room(std::max(reader_.wanted(in_), hurried_ ? kLargeRead : 0));
  room_ = room.size();
  return room;
}

void Conversation::received(std::size_t count) {
  in_.commit(count);
  hurried_ = count == room_;
  advance();
}

void Conversation::received_end() {
  input_ended_ = true;
  if (waiting_) abandon();
  advance();
}

void Conversation::sent(std::size_t count) {
  out_.take(count);
  if (!out_.empty()) return;
  if (out_.capacity() > kKept) out_.release();
  // There may be requests that waited for this.
  if (!in_.empty()) advance();
}

/// Reads and answers requests until one is not whole, is answered later, or enough is waiting to be
/// sent.
void Conversation::advance() {
  while (!ended_ && !waiting_ && out_.size() < kEnough) {
    switch (in_.empty() ? RequestReader::Progress::more : reader_.read(in_)) {
      case RequestReader::Progress::whole: ask_handler(); break;
      case RequestReader::Progress::bad: refuse(reader_.status()); break;
      case RequestReader::Progress::more:
        if (input_ended_) {
          ended_ = true;
          return;
        }
        if (in_.empty()) return;
        if (!std::exchange(begun_, true)) began_ = around_.now;
        if (reader_.take_expectation()) out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        return;
    }
  }
}

void Conversation::ask_handler() {
  ++around_.requests;
  begun_ = false;
  replied_ = false;
  keep_alive_ = reader_.keep_alive();
  http10_ = reader_.http10();
  head_ = reader_.head();
  try {
    around_.handler.handle(reader_.request(in_, peer_), *this);
  } catch (...) {
    // A handler must not throw; where one runs out of memory nonetheless, it costs one answer.
  }
  if (!replied_ && !waiting_) refuse(500);
  reader_.finish(in_);
}

void Conversation::reply(const Reply& reply) {
  if (replied_ || waiting_) return;
  replied_ = true;
  write(reply, in_.size() > reader_.length());
}

std::shared_ptr<Pending> Conversation::defer() {
  // A second right to answer the same request would have no ticket that counts.
  bool first = !replied_ && !waiting_;
  auto pending = around_.defer(*this, first ? ++ticket_ : 0);
  if (first) {
    waiting_ = true;
    deferred_ = pending;
  }
  return pending;
}

void Conversation::answer(std::uint64_t ticket, const Reply& reply) {
  if (!waiting_ || ticket != ticket_) return;
  waiting_ = false;
  deferred_.reset();
  write(reply, !in_.empty());
  advance();
}

void Conversation::break_off(std::uint64_t ticket, std::string_view bytes) {
  if (!waiting_ || ticket != ticket_) return;
  waiting_ = false;
  deferred_.reset();
  ended_ = true;
  reset_ = bytes.empty();
  out_.append(bytes);
}

void Conversation::fail(std::uint64_t ticket) {
  if (waiting_ && ticket == ticket_) refuse(500);
}

void Conversation::write(const Reply& reply, bool more_to_come) {
  bool last = !keep_alive_ || ((around_.stopping || input_ended_) && !more_to_come);
  write_reply(out_, reply, {head_, last, http10_, around_.date});
  if (last) ended_ = true;
}

void Conversation::refuse(int status) {
  abandon();
  waiting_ = false;
  ended_ = true;
  write_problem(out_, status, {.close = true, .date = around_.date});
}

void Conversation::abandon() noexcept {
  if (auto deferred = deferred_.lock()) deferred->abandon();
}

}  // namespace hufu::net
