#include "net/http_client.hpp"

#include <curl/curl.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "net/connection_reuse.hpp"
#include "net/http_transfer.hpp"
#include "net/url_origin.hpp"

namespace hufu::net {
namespace {

// Real time: these deadlines are about real sockets.
using Now = std::chrono::steady_clock;

/// Hosts with nothing to do are forgotten when there are more than this.
constexpr std::size_t kMostIdleHosts = 64;

HttpOutcome not_sent(HttpFailure::Cause cause, std::string message) {
  return tl::unexpected(HttpFailure{HttpFailure::Reach::not_sent, std::move(message), cause, {}});
}

/// A request that waits for its turn.
struct Waiting {
  HttpRequest request;
  Done<HttpOutcome> done;
};

/// Everything about one scheme, host and port.
struct Host {
  explicit Host(Milliseconds reuse_pause) : reuse(reuse_pause) {}
  std::multimap<Now::time_point, Waiting> queue;  ///< By deadline: the most urgent goes first.
  std::size_t in_flight = 0;
  ConnectionReuse reuse;
};

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) {
    prepare_libcurl();
    multi_ = curl_multi_init();
    if (multi_ == nullptr) std::abort();
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.most_in_all));
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    slots_.clear();
    curl_multi_cleanup(multi_);
  }

  void send(HttpRequest request, Done<HttpOutcome> done) {
    auto deadline = Now::now() + request.timeout;
    {
      std::lock_guard lock(mutex_);
      inbox_.emplace_back(deadline, Waiting{std::move(request), std::move(done)});
    }
    curl_multi_wakeup(multi_);
  }

 private:
  using Hosts = std::map<std::string, Host>;
  /// An easy handle, and whom it is working for.
  struct Slot {
    explicit Slot(const Options& options) : transfer(options) {
      curl_easy_setopt(transfer.handle(), CURLOPT_PRIVATE, this);
    }
    HttpTransfer transfer;
    Host* host = nullptr;
  };

  void run() {
    // Signals are for the program's own threads, and a broken pipe is an error code here.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);

    while (take_inbox()) {
      give_up_overdue();
      start_what_fits();
      int running = 0;
      curl_multi_perform(multi_, &running);
      finish_what_ended();
      curl_multi_poll(multi_, nullptr, 0, idle_for(), nullptr);
    }
    end_everything();
  }

  /// False once the client is to close.
  bool take_inbox() {
    std::lock_guard lock(mutex_);
    for (auto& [deadline, waiting] : inbox_) {
      auto origin = origin_of(waiting.request.url.reveal());
      auto& host = hosts_.try_emplace(std::move(origin), options_.reuse_pause).first->second;
      host.queue.emplace(deadline, std::move(waiting));
    }
    inbox_.clear();
    return !closing_;
  }

  void give_up_overdue() {
    const auto now = Now::now();
    for (auto& [origin, host] : hosts_) {
      while (!host.queue.empty() && host.queue.begin()->first <= now) {
        auto late = host.queue.extract(host.queue.begin());
        late.mapped().done(not_sent(HttpFailure::Cause::timeout,
                                    "no connection within " +
                                        std::to_string(late.mapped().request.timeout.count()) +
                                        " ms"));
      }
    }
  }

  void start_what_fits() {
    while (Host* host = next_host()) start_next_of(*host);
    if (hosts_.size() > kMostIdleHosts) forget_idle_hosts();
  }

  /// The host with the most urgent request that may be sent now; null if there is none.
  Host* next_host() {
    Host* next = nullptr;
    if (in_flight() >= options_.most_in_all) return next;
    for (auto& [origin, host] : hosts_) {
      if (!may_start(host)) continue;
      if (next == nullptr || host.queue.begin()->first < next->queue.begin()->first) next = &host;
    }
    return next;
  }

  [[nodiscard]] bool may_start(const Host& host) const {
    return !host.queue.empty() && host.in_flight < options_.most_per_host;
  }

  void start_next_of(Host& host) {
    auto next = host.queue.extract(host.queue.begin());
    const auto now = Now::now();
    const auto left = std::chrono::ceil<Milliseconds>(next.key() - now);
    Slot& slot = take_idle();
    slot.host = &host;
    ++host.in_flight;
    const bool own_connection = host.reuse.paused(now);
    if (!slot.transfer.load(std::move(next.mapped().request), std::move(next.mapped().done), left,
                            own_connection)) {
      put_back(slot);
    } else if (curl_multi_add_handle(multi_, slot.transfer.handle()) != CURLM_OK) {
      std::abort();
    }
  }

  void forget_idle_hosts() {
    const auto now = Now::now();
    std::erase_if(hosts_, [&](const auto& entry) {
      const Host& host = entry.second;
      return host.queue.empty() && host.in_flight == 0 && !host.reuse.paused(now);
    });
  }

  [[nodiscard]] std::size_t in_flight() const { return slots_.size() - idle_.size(); }

  Slot& take_idle() {
    if (idle_.empty()) return *slots_.emplace_back(std::make_unique<Slot>(options_));
    Slot& latest = *idle_.back();
    idle_.pop_back();
    return latest;
  }

  void put_back(Slot& slot) {
    --std::exchange(slot.host, nullptr)->in_flight;
    idle_.push_back(&slot);
  }

  void finish_what_ended() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* owner = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
      // Removing the handle frees the message.
      CURLcode code = message->data.result;
      release(*reinterpret_cast<Slot*>(owner), code);
    }
  }

  void release(Slot& slot, CURLcode code, std::string because = {}) {
    curl_multi_remove_handle(multi_, slot.transfer.handle());
    learn_about_reuse(slot, code);
    put_back(slot);
    slot.transfer.finish(code, std::move(because));
  }

  void learn_about_reuse(const Slot& slot, CURLcode code) {
    if (!slot.transfer.reused_connection()) return;
    if (slot.transfer.answered(code)) {
      slot.host->reuse.succeeded(Now::now());
    } else {
      slot.host->reuse.failed(Now::now());
    }
  }

  /// How long nothing of our own is due, in milliseconds; libcurl shortens it by what it has due.
  [[nodiscard]] int idle_for() const {
    auto soonest = Now::now() + std::chrono::minutes(1);
    for (const auto& [origin, host] : hosts_) {
      if (host.queue.empty()) continue;
      if (may_start(host) && in_flight() < options_.most_in_all) return 0;
      soonest = std::min(soonest, host.queue.begin()->first);
    }
    auto left = std::chrono::ceil<Milliseconds>(soonest - Now::now());
    return static_cast<int>(std::max<Milliseconds::rep>(left.count(), 0));
  }

  void end_everything() {
    const std::string because = "the client was closed";
    for (auto& slot : slots_) {
      if (slot->transfer.busy()) release(*slot, CURLE_OK, because);
    }
    // A `done` may have sent once more.
    bool some = true;
    while (std::exchange(some, false)) {
      take_inbox();
      for (auto& [origin, host] : hosts_) {
        while (!host.queue.empty()) {
          auto next = host.queue.extract(host.queue.begin());
          next.mapped().done(not_sent(HttpFailure::Cause::other, because));
          some = true;
        }
      }
    }
  }

  const Options options_;
  CURLM* multi_ = nullptr;

  std::mutex mutex_;
  std::vector<std::pair<Now::time_point, Waiting>> inbox_;
  bool closing_ = false;

  // From here on: the client's own thread only.
  Hosts hosts_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> idle_;

  std::thread thread_;
};

HttpClient::HttpClient(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

void HttpClient::send(HttpRequest request, Done<HttpOutcome> done) {
  impl_->send(std::move(request), std::move(done));
}

}  // namespace hufu::net
