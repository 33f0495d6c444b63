#include "net/deferred_reply.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "hufu/secret.hpp"

namespace hufu::net {

OwnedReply::OwnedReply(const Reply& reply)
    : status(reply.status),
      content_type(reply.content_type),
      headers(reply.headers),
      body(reply.body) {}

OwnedReply::OwnedReply(std::string_view bytes) : body(bytes), broken_off(true) {}

OwnedReply::~OwnedReply() { wipe(body); }

void ReplyChannel::close() {
  std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

void ReplyChannel::post(std::uint64_t session, std::uint64_t request_id,
                        std::unique_ptr<OwnedReply> reply) {
  std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  boost::asio::post(*loop_, [this, session, request_id, reply = std::move(reply)] {
    deliver_(session, request_id, reply.get());
  });
}

DeferredReply::~DeferredReply() {
  if (!replied_.exchange(true)) channel_->post(session_, request_id_, nullptr);
}

void DeferredReply::reply(const Reply& reply) {
  if (replied_.exchange(true)) return;
  channel_->post(session_, request_id_, std::make_unique<OwnedReply>(reply));
}

void DeferredReply::break_off(std::string_view bytes) {
  if (replied_.exchange(true)) return;
  channel_->post(session_, request_id_, std::make_unique<OwnedReply>(bytes));
}

}  // namespace hufu::net
