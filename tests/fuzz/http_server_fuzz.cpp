// Feeds bytes to the logic of one connection. The first byte says how the rest is cut into pieces;
// whatever it is, the requests a handler sees must be those it sees when all comes at once.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1_session.hpp"

namespace {

using namespace hufu;
using namespace hufu::net;

class IgnoredReply final : public Deferred {
 public:
  void reply(const Reply&) override {}
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }

 private:
  bool abandoned_ = false;
};

const ServerLimits kLimits = {.header_bytes = 512, .body_bytes = 256};

/// One client and a handler that answers at once, later or not at all, as the path says.
class FuzzedSession final : public Handler, public SessionContext {
 public:
  FuzzedSession() : SessionContext(kLimits, *this) {}

  void receive(std::string_view bytes, std::size_t piece) {
    while (!bytes.empty() && session_.wants_input()) {
      auto free = session_.prepare();
      auto count = std::min({free.size(), bytes.size(), piece});
      std::memcpy(free.data(), bytes.data(), count);
      session_.received(count);
      bytes.remove_prefix(count);
      settle(piece);
    }
    session_.received_end();
    settle(piece);
    if (!session_.finished()) std::abort();
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
  std::shared_ptr<Deferred> defer(Http1Session&, std::uint64_t request_id) override {
    request_id_ = request_id;
    return std::make_shared<IgnoredReply>();
  }
  /// The client reads, and what was put off is answered, until neither is left.
  void settle(std::size_t piece) {
    while (session_.phase() == Http1Session::Phase::waiting || !session_.outgoing().empty()) {
      if (session_.outgoing().empty()) {
        session_.reply_deferred(request_id_, {.body = "later"});
      } else {
        session_.sent(std::min(piece, session_.outgoing().size()));
      }
    }
  }

  std::shared_ptr<Pending> kept_;
  std::uint64_t request_id_ = 0;
  Http1Session session_{*this, "192.0.2.1", 1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  FuzzedSession cut;
  cut.receive(bytes, 1U + data[0]);
  FuzzedSession whole;
  whole.receive(bytes, size);
  if (cut.seen != whole.seen) std::abort();
  return 0;
}
