// Feeds bytes to the logic of one connection. The first byte says how the rest is cut into pieces;
// whatever it is, the requests a handler sees must be those it sees when all comes at once.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_conversation.hpp"

namespace {

using namespace hufu;
using namespace hufu::net;

class Ticket final : public Deferred {
 public:
  void reply(const Reply&) override {}
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }

 private:
  bool abandoned_ = false;
};

const ServerLimits kLimits = {.header_bytes = 512, .body_bytes = 256};

/// One client and a handler that answers at once, later or not at all, as the path says.
class Talk final : public Handler, public Surroundings {
 public:
  Talk() : Surroundings(kLimits, *this) {}

  void listen(std::string_view bytes, std::size_t piece) {
    while (!bytes.empty() && conversation_.wants_input()) {
      auto room = conversation_.room();
      auto count = std::min({room.size(), bytes.size(), piece});
      std::memcpy(room.data(), bytes.data(), count);
      conversation_.received(count);
      bytes.remove_prefix(count);
      settle(piece);
    }
    conversation_.received_end();
    settle(piece);
    if (!conversation_.finished()) std::abort();
  }

  std::vector<std::string> seen;

 private:
  void handle(const Request& request, Exchange& exchange) override {
    std::string words;
    for (auto part : {request.method, request.path, request.query, request.body,
                      request.header("host"), request.header("x")}) {
      words += std::to_string(part.size()) + ":" + std::string(part);
    }
    seen.push_back(words);
    if (request.path.ends_with('l')) {
      kept_ = exchange.defer();
    } else if (!request.path.ends_with('n')) {
      exchange.reply({.status = request.path.ends_with('m') ? 304 : 200, .body = request.body});
    }
  }
  std::shared_ptr<Deferred> defer(Conversation&, std::uint64_t ticket) override {
    ticket_ = ticket;
    return std::make_shared<Ticket>();
  }
  /// The client reads, and what was put off is answered, until neither is left.
  void settle(std::size_t piece) {
    while (conversation_.phase() == Conversation::Phase::waiting ||
           !conversation_.outgoing().empty()) {
      if (conversation_.outgoing().empty()) {
        conversation_.answer(ticket_, {.body = "later"});
      } else {
        conversation_.sent(std::min(piece, conversation_.outgoing().size()));
      }
    }
  }

  std::shared_ptr<Pending> kept_;
  std::uint64_t ticket_ = 0;
  Conversation conversation_{*this, "192.0.2.1", 1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Talk cut;
  cut.listen(bytes, 1U + data[0]);
  Talk whole;
  whole.listen(bytes, size);
  if (cut.seen != whole.seen) std::abort();
  return 0;
}
