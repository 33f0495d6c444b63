#include "net/http_server.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/http_conversation.hpp"
#include "net/listen_address.hpp"

namespace hufu::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
// Everything names its executor: the type-erased one of Asio's defaults costs a tenth of a request.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// How long a connection is kept after its last answer was sent, so that the client's bytes that
/// are still under way do not make the kernel reset it before that answer was read.
constexpr Milliseconds kLinger = std::chrono::seconds(2);
/// How long no connection is accepted after the process ran out of file descriptors.
constexpr Milliseconds kAcceptPause = std::chrono::milliseconds(100);
/// So many connections over the limit are told so at a time; more are just closed.
constexpr std::size_t kMostRefusals = 128;

class Worker;
class PendingReply;

/// Counted by all workers, read by anybody.
struct Census {
  std::atomic<std::size_t> open{0};
  std::atomic<std::size_t> refusing{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};

  std::mutex mutex;
  std::condition_variable changed;
  bool door_closed = false;
  std::size_t workers_stopping = 0;

  [[nodiscard]] bool empty() const { return open == 0 && refusing == 0; }
};

/// A Reply that owns what it says.
struct OwnedReply {
  explicit OwnedReply(const Reply& reply)
      : status(reply.status),
        content_type(reply.content_type),
        headers(reply.headers),
        body(reply.body) {}
  ~OwnedReply() { wipe(body); }
  OwnedReply(OwnedReply&&) = default;
  OwnedReply& operator=(OwnedReply&&) = default;
  /// Of Pending::break_off: `body` is all the bytes there are.
  explicit OwnedReply(std::string_view bytes) : body(bytes), broken_off(true) {}
  [[nodiscard]] Reply view() const { return {status, content_type, headers, body}; }

  int status = 0;
  std::string content_type;
  std::string headers;
  std::string body;
  bool broken_off = false;
};

/// Where other threads leave answers for a worker. It outlives the worker for as long as somebody
/// holds a Pending; what is left there then is dropped.
class Mailbox {
 public:
  explicit Mailbox(Worker& worker) : worker_(&worker) {}
  void close() {
    std::lock_guard lock(mutex_);
    worker_ = nullptr;
  }
  /// An empty reply says that none will come.
  void post(std::uint64_t conversation, std::uint64_t ticket, std::unique_ptr<OwnedReply> reply);

 private:
  std::mutex mutex_;
  Worker* worker_;
};

class PendingReply final : public Deferred {
 public:
  PendingReply(std::shared_ptr<Mailbox> mailbox, std::uint64_t conversation, std::uint64_t ticket)
      : mailbox_(std::move(mailbox)), conversation_(conversation), ticket_(ticket) {}
  ~PendingReply() override {
    if (!answered_.exchange(true)) mailbox_->post(conversation_, ticket_, nullptr);
  }
  void reply(const Reply& reply) override {
    if (answered_.exchange(true)) return;
    mailbox_->post(conversation_, ticket_, std::make_unique<OwnedReply>(reply));
  }
  void break_off(std::string_view bytes) override {
    if (answered_.exchange(true)) return;
    mailbox_->post(conversation_, ticket_, std::make_unique<OwnedReply>(bytes));
  }
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t conversation_;
  std::uint64_t ticket_;
  std::atomic<bool> answered_{false};
  std::atomic<bool> abandoned_{false};
};

/// A Conversation over a TCP socket: reads, writes, and nothing else. Lives on its worker's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, Socket socket, std::string peer, std::uint64_t id, bool counted);

  /// Does whatever can be done: send, read on, or come to an end.
  void proceed();
  void close();
  /// Called once a tick: ends what takes too long.
  void check_time();
  /// No new request is begun. What has arrived unseen is still answered.
  void begin_stop();

  Conversation& conversation() { return conversation_; }
  [[nodiscard]] bool counted() const { return counted_; }

 private:
  bool send();
  void receive();
  void on_received(error_code error, std::size_t count);
  void look_once_more();
  void end();
  bool all_arrived();
  [[nodiscard]] bool longer_than(Milliseconds limit, SteadyTime since) const;

  Worker& worker_;
  Socket socket_;
  Conversation conversation_;
  SteadyTime active_;       ///< When a byte last moved, as of the worker's tick.
  bool counted_;            ///< Within the limit of connections.
  bool receiving_ = false;  ///< A read is under way.
  bool sending_ = false;    ///< The socket is full; a wait for it is under way.
  bool ending_ = false;     ///< Our half is closed.
  bool closed_ = false;
};

/// One thread with its event loop and its connections.
class Worker final : public Surroundings {
 public:
  Worker(const ServerLimits& some_limits, Handler& a_handler, Census& census)
      : Surroundings(some_limits, a_handler),
        census_(census),
        tick_(std::clamp(std::min(limits.idle, limits.request) / 8, Milliseconds(5),
                         Milliseconds(1000))) {
    look_at_clock();
  }
  ~Worker() override {
    connections_.clear();
    mailbox_->close();
  }

  void start() {
    wait_for_tick();
    thread_ = std::thread([this] { context_.run(); });
  }
  /// Ends the event loop; whatever is still open is closed.
  void join() {
    asio::post(context_, [this] {
      for (auto& connection : all()) connection->close();
      context_.stop();
    });
    if (thread_.joinable()) thread_.join();
  }

  /// From any thread: takes a connection over.
  void adopt(Socket socket, bool counted) {
    load_.fetch_add(1, std::memory_order_relaxed);
    auto enter = [this, counted, socket = std::move(socket)]() mutable {
      admit(std::move(socket), counted);
    };
    asio::post(context_, std::move(enter));
  }
  /// From any thread: from now on every answer is the last of its connection.
  void begin_parting() {
    asio::post(context_, [this] {
      stopping = true;
      // The last connection may have gone before this worker knew that somebody waits for that.
      std::lock_guard lock(census_.mutex);
      census_.changed.notify_all();
    });
  }
  /// From any thread: see Connection::begin_stop.
  void begin_stop() {
    asio::post(context_, [this] {
      stopping = emptying_ = true;
      for (auto& connection : all()) connection->begin_stop();
      std::lock_guard lock(census_.mutex);
      ++census_.workers_stopping;
      census_.changed.notify_all();
    });
  }

  std::shared_ptr<Deferred> defer(Conversation& conversation, std::uint64_t ticket) override {
    return std::make_shared<PendingReply>(mailbox_, conversation.id(), ticket);
  }
  /// The answer to a deferred request has come; null: it never will.
  void deliver(std::uint64_t conversation, std::uint64_t ticket, const OwnedReply* reply) {
    auto found = connections_.find(conversation);
    if (found == connections_.end()) return;
    auto connection = found->second;
    Conversation& awaiting = connection->conversation();
    if (reply == nullptr) {
      awaiting.fail(ticket);
    } else if (reply->broken_off) {
      awaiting.break_off(ticket, reply->body);
    } else {
      awaiting.answer(ticket, reply->view());
    }
    connection->proceed();
  }

  void forget(Connection& connection) {
    bool counted = connection.counted();
    if (connections_.erase(connection.conversation().id()) == 0) return;
    load_.fetch_sub(1, std::memory_order_relaxed);
    --(counted ? census_.open : census_.refusing);
    if (!stopping) return;
    std::lock_guard lock(census_.mutex);
    census_.changed.notify_all();
  }

  void publish_requests() { published_requests_.store(requests, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t served() const {
    return published_requests_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  [[nodiscard]] Milliseconds tick() const { return tick_; }
  /// Whether connections that rest are closed.
  [[nodiscard]] bool emptying() const { return emptying_; }
  asio::io_context& context() { return context_; }

 private:
  void admit(Socket socket, bool counted) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.non_blocking(true, ignored);
    auto address = socket.remote_endpoint(ignored).address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    }
    auto id = ++last_id_;
    auto connection =
        std::make_shared<Connection>(*this, std::move(socket), address.to_string(), id, counted);
    connections_.emplace(id, connection);
    if (!counted) connection->conversation().refuse(503);
    connection->proceed();
    if (emptying_) connection->begin_stop();
  }

  using Connections = std::vector<std::shared_ptr<Connection>>;

  /// All connections, so that they may leave while they are gone through; in the memory of
  /// `result`.
  Connections all(Connections result = {}) const {
    result.reserve(connections_.size());
    for (auto& [id, connection] : connections_) result.push_back(connection);
    return result;
  }

  void look_at_clock() {
    now = system_clock().steady();
    auto second = std::chrono::floor<std::chrono::seconds>(system_clock().wall());
    if (std::exchange(second_, second) != second) date = date_line(second);
  }

  /// One timer for all connections: one a request would cost more than its parsing.
  void wait_for_tick() {
    timer_.expires_after(tick_);
    timer_.async_wait([this](error_code error) {
      if (error) return;
      look_at_clock();
      checked_ = all(std::move(checked_));
      for (auto& connection : checked_) connection->check_time();
      checked_.clear();
      wait_for_tick();
    });
  }

  Census& census_;
  const Milliseconds tick_;
  asio::io_context context_{1};
  Timer timer_{context_};
  std::thread thread_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(*this);
  std::chrono::sys_seconds second_{};
  std::uint64_t last_id_ = 0;
  bool emptying_ = false;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  Connections checked_;  ///< Kept only for its memory.
  std::atomic<std::size_t> load_{0};
  std::atomic<std::uint64_t> published_requests_{0};
};

void Mailbox::post(std::uint64_t conversation, std::uint64_t ticket,
                   std::unique_ptr<OwnedReply> reply) {
  std::lock_guard lock(mutex_);
  if (worker_ == nullptr) return;
  asio::post(worker_->context(),
             [worker = worker_, conversation, ticket, reply = std::move(reply)] {
               worker->deliver(conversation, ticket, reply.get());
             });
}

Connection::Connection(Worker& worker, Socket socket, std::string peer, std::uint64_t id,
                       bool counted)
    : worker_(worker),
      socket_(std::move(socket)),
      conversation_(worker, std::move(peer), id),
      active_(worker.now),
      counted_(counted) {}

void Connection::proceed() {
  worker_.publish_requests();
  if (closed_ || !send()) return;
  if (conversation_.finished()) {
    end();
  } else if (worker_.emptying() && conversation_.phase() == Conversation::Phase::idle) {
    return begin_stop();
  }
  receive();
}

/// Sends what there is; false if some of it must wait (or never will be sent).
bool Connection::send() {
  while (!conversation_.outgoing().empty()) {
    if (sending_) break;
    auto bytes = conversation_.outgoing();
    error_code error;
    // Tried at once: a socket is nearly always ready to take an answer, and no handler is needed.
    auto count = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    if (error == asio::error::would_block) {
      sending_ = true;
      socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code failure) {
        self->sending_ = false;
        if (failure) return self->close();
        self->proceed();
      });
      break;
    }
    if (error) {
      close();
      return false;
    }
    active_ = worker_.now;
    conversation_.sent(count);
  }
  if (sending_) receive();  // Up to the bound, later requests are taken in meanwhile.
  return !sending_;
}

void Connection::receive() {
  if (closed_ || receiving_ || !(ending_ || conversation_.wants_input())) return;
  receiving_ = true;
  auto room = conversation_.room();
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](error_code error, std::size_t count) {
                            self->on_received(error, count);
                          });
}

void Connection::on_received(error_code error, std::size_t count) {
  receiving_ = false;
  if (closed_) return;
  if (error == asio::error::operation_aborted && worker_.emptying()) return look_once_more();
  if (error == asio::error::eof) {
    if (ending_) return close();
    conversation_.received_end();
  } else if (error) {
    return close();
  } else if (!ending_) {
    active_ = worker_.now;
    conversation_.received(count);
  }
  proceed();
}

/// All is sent. Closes our half and reads on until the client has closed its own: to close with
/// unread bytes would reset the connection and could take the last answer with it.
void Connection::end() {
  if (std::exchange(ending_, true)) return;
  active_ = worker_.now;
  bool done = worker_.stopping && all_arrived();
  error_code error;
  if (conversation_.wants_reset()) {
    socket_.set_option(Socket::linger(true, 0), error);
    return close();
  }
  socket_.shutdown(Socket::shutdown_send, error);
  if (error || done) close();
}

/// Whether the client's side has confirmed every byte: then an end of ours waits for nobody.
bool Connection::all_arrived() {
  int unconfirmed = 1;
  return ::ioctl(socket_.native_handle(), SIOCOUTQ, &unconfirmed) == 0 && unconfirmed == 0;
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  auto self = shared_from_this();
  conversation_.abandon();
  error_code ignored;
  socket_.close(ignored);
  worker_.forget(*this);
}

bool Connection::longer_than(Milliseconds limit, SteadyTime since) const {
  // `since` may be as old as the tick before the moment it stands for.
  return worker_.now - since > limit + worker_.tick();
}

void Connection::check_time() {
  if (closed_) return;
  const auto& limits = worker_.limits;
  if (ending_) {
    if (longer_than(kLinger, active_) || (worker_.stopping && all_arrived())) close();
    return;
  }
  switch (conversation_.phase()) {
    case Conversation::Phase::idle:
    case Conversation::Phase::sending:
      if (longer_than(limits.idle, active_)) close();
      break;
    case Conversation::Phase::receiving:
      if (!longer_than(limits.request, conversation_.request_began())) break;
      conversation_.refuse(408);
      proceed();
      break;
    case Conversation::Phase::waiting:
    case Conversation::Phase::ending: break;
  }
}

void Connection::begin_stop() {
  if (closed_ || ending_ || conversation_.phase() != Conversation::Phase::idle) return;
  // A request may have arrived that nobody has looked at yet. Cancelling the read that is under way
  // is free of races: it brings that request, or the moment to look for it once more.
  error_code ignored;
  if (receiving_) {
    socket_.cancel(ignored);
  } else {
    look_once_more();
  }
}

/// Takes in what is there already; if that is nothing, this connection is done. (To close our
/// receiving half instead would wake the read too, but then the kernel answers whatever the client
/// sends next with a reset, and that can eat an answer the client has not read yet.)
void Connection::look_once_more() {
  error_code error;
  auto room = conversation_.room();
  auto count = socket_.read_some(asio::buffer(room.data(), room.size()), error);
  if (error == asio::error::would_block) error = asio::error::eof;
  on_received(error, count);
}

/// The address `listen` names, bound and listening.
Result<Acceptor> open_acceptor(asio::io_context& context, const std::string& listen) {
  auto wanted = ListenAddress::parse(listen);
  if (!wanted) return tl::unexpected(wanted.error());

  error_code error;
  tcp::resolver resolver(context);
  auto found = resolver.resolve(wanted->host, std::to_string(wanted->port),
                                tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(Fault::config, "the host name \"" + wanted->host + "\" cannot be resolved",
                "Listen on an address of this machine, for one 127.0.0.1");
  }
  std::vector<tcp::endpoint> endpoints(found.begin(), found.end());
  // "localhost" is both; more clients try 127.0.0.1 alone than ::1 alone.
  std::stable_partition(endpoints.begin(), endpoints.end(),
                        [](const auto& endpoint) { return endpoint.address().is_v4(); });
  for (const auto& endpoint : endpoints) {
    Acceptor acceptor(context);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (!error) acceptor.non_blocking(true, error);
    if (!error) return acceptor;
  }
  auto port = std::to_string(wanted->port);
  if (error == asio::error::address_in_use) {
    return fail(Fault::config,
                "port " + port + " is taken: another program listens on " + wanted->text(),
                "Stop that program (ss -ltnp shows it) or listen on another port");
  }
  if (error == boost::system::errc::permission_denied) {
    return fail(Fault::config, "port " + port + " needs a right this process does not have",
                "Listen on a port from 1024 up, or grant CAP_NET_BIND_SERVICE");
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(Fault::config, wanted->host + " is not an address of this machine",
                "Listen on one that `ip address` shows, or on 0.0.0.0 for all of them");
  }
  return fail(Fault::config, "cannot listen on " + wanted->text() + ": " + error.message(),
              "Listen on another address");
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler& handler)
      : limits_(options.limits), workers_(hire(options.threads, handler)) {}
  ~Impl() { stop(Milliseconds(0), Milliseconds(0)); }

  Result<void> start(const std::string& listen) {
    auto acceptor = open_acceptor(front().context(), listen);
    if (!acceptor) return tl::unexpected(acceptor.error());
    acceptor_.emplace(std::move(*acceptor));
    error_code ignored;
    auto bound = acceptor_->local_endpoint(ignored);
    address_ = ListenAddress{bound.address().to_string(), bound.port()}.text();
    accept();
    for (auto& worker : workers_) worker->start();
    return {};
  }

  void stop(Milliseconds patience, Milliseconds parting) {
    std::lock_guard once(stop_mutex_);
    if (std::exchange(stopped_, true)) return;
    if (acceptor_) {
      asio::post(front().context(), [this] {
        pause_.cancel();
        close_the_door();
        asio::post(front().context(), [this] { begin_parting(); });
      });
      std::unique_lock lock(census_.mutex);
      census_.changed.wait(lock, [&] { return census_.door_closed; });
      census_.changed.wait_for(lock, parting, [&] { return census_.empty(); });
      asio::post(front().context(), [this] {
        for (auto& worker : workers_) worker->begin_stop();
      });
      census_.changed.wait(lock, [&] { return census_.workers_stopping == workers_.size(); });
      census_.changed.wait_for(lock, patience, [&] { return census_.empty(); });
    }
    for (auto& worker : workers_) worker->join();
  }

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] ServerStats stats() const {
    ServerStats stats;
    stats.connections = census_.open;
    stats.accepted = census_.accepted;
    stats.refused = census_.refused;
    for (auto& worker : workers_) stats.requests += worker->served();
    return stats;
  }

 private:
  std::vector<std::unique_ptr<Worker>> hire(int threads, Handler& handler) {
    auto cores = std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::unique_ptr<Worker>> workers(threads > 0 ? static_cast<unsigned>(threads)
                                                             : cores);
    for (auto& worker : workers) worker = std::make_unique<Worker>(limits_, handler, census_);
    return workers;
  }
  Worker& front() { return *workers_.front(); }

  /// One thread accepts for all: SO_REUSEPORT would share connections out unevenly, and would let a
  /// second server take the same port unnoticed.
  void accept() {
    Worker& worker = least_busy();
    acceptor_->async_accept(worker.context(), [this, &worker](error_code error, Socket socket) {
      if (!error) admit(worker, std::move(socket));
      if (!acceptor_->is_open()) return;
      if (error) return pause();
      accept();
    });
  }

  /// Lets in whoever stands at the door (as far as there are file descriptors) and closes it. For
  /// those the connection is made, and they may have sent their request: the kernel would reset
  /// what it holds for a closed acceptor.
  void close_the_door() {
    error_code error;
    while (!error) {
      Worker& worker = least_busy();
      Socket socket = acceptor_->accept(worker.context(), error);
      if (!error) admit(worker, std::move(socket));
    }
    acceptor_->close(error);
  }

  /// Behind the last of those who were let in, so that each is with its worker already.
  void begin_parting() {
    for (auto& worker : workers_) worker->begin_parting();
    std::lock_guard lock(census_.mutex);
    census_.door_closed = true;
    census_.changed.notify_all();
  }

  Worker& least_busy() {
    return **std::min_element(workers_.begin(), workers_.end(),
                              [](const auto& a, const auto& b) { return a->load() < b->load(); });
  }

  void admit(Worker& worker, Socket socket) {
    ++census_.accepted;
    bool counted = census_.open < limits_.connections;
    if (!counted) {
      ++census_.refused;
      if (census_.refusing >= kMostRefusals) return;
    }
    ++(counted ? census_.open : census_.refusing);
    worker.adopt(std::move(socket), counted);
  }

  /// Out of file descriptors or memory: connections end, so it is tried again, but not in a circle.
  void pause() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code error) {
      if (!error) accept();
    });
  }

  const ServerLimits limits_;
  Census census_;
  std::string address_;
  std::mutex stop_mutex_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
  // On the first worker's thread, and gone before its event loop.
  std::optional<Acceptor> acceptor_;
  Timer pause_{front().context()};
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options, Handler& handler) {
  auto impl = std::make_unique<Impl>(options, handler);
  if (auto started = impl->start(options.listen); !started) {
    return tl::unexpected(started.error());
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::string& HttpServer::address() const noexcept { return impl_->address(); }
ServerStats HttpServer::stats() const noexcept { return impl_->stats(); }
void HttpServer::stop(Milliseconds patience, Milliseconds parting) {
  impl_->stop(patience, parting);
}

}  // namespace hufu::net
