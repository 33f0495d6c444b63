#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hufu::testing {

/// One thing that a scripted server does on a connection.
struct Step {
  enum class Do {
    read_request,  ///< Reads one whole HTTP request and counts it.
    send,          ///< Writes `bytes` as they are.
    close,         ///< Ends the connection in good order.
    reset,         ///< Ends it with an RST.
    hang,          ///< Does nothing until the client hangs up.
    half_close,    ///< Ends the sending half, and goes on reading.
    gather,        ///< Waits until `count` requests were read on all connections together.
    again,         ///< Starts over at the first step.
  };
  Do what = Do::close;
  std::string bytes;
  std::size_t count = 0;
};

/// What one connection goes through; at its end the connection is closed.
using Script = std::vector<Step>;

inline Step read_request() { return {Step::Do::read_request, {}}; }
inline Step send(std::string bytes) { return {Step::Do::send, std::move(bytes)}; }
inline Step close() { return {Step::Do::close, {}}; }
inline Step reset() { return {Step::Do::reset, {}}; }
inline Step hang() { return {Step::Do::hang, {}}; }
inline Step half_close() { return {Step::Do::half_close, {}}; }
inline Step gather(std::size_t count) { return {Step::Do::gather, {}, count}; }
inline Step again() { return {Step::Do::again, {}}; }

/// A whole HTTP answer. `headers` holds complete extra lines.
inline std::string http(std::string_view status, std::string_view body,
                        std::string_view headers = "Content-Type: application/json\r\n") {
  return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
/// Answers every request, on every connection, with the same JSON.
inline Script always(std::string_view body) {
  return {read_request(), send(http("200 OK", body)), again()};
}

/// A TCP server on loopback that behaves exactly as a test tells it to, good or bad.
///
/// The n-th connection follows the n-th script, later ones the last script. One thread a
/// connection. The destructor cuts every connection. Thread-safety: all members from any thread.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<Script> scripts, int family = AF_INET)
      : scripts_(std::move(scripts)), family_(family), stop_(eventfd(0, EFD_CLOEXEC)) {
    listener_ = socket(family_, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family_);
    socklen_t length = family_ == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (family_ == AF_INET6) {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    } else {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || bind(listener_, generic, length) != 0 || listen(listener_, 1024) != 0 ||
        getsockname(listener_, generic, &length) != 0) {
      if (listener_ >= 0) ::close(listener_);
      ::close(stop_);
      throw std::runtime_error("no socket to listen on");
    }
    // The port stands at the same place in both kinds of address.
    port_ = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~ScriptedServer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      arrived_.notify_all();
    }
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = write(stop_, &one, sizeof one);
    acceptor_.join();
    for (std::thread& connection : connections_) connection.join();
    ::close(listener_);
    ::close(stop_);
  }

  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// "127.0.0.1:PORT".
  [[nodiscard]] std::string address() const {
    return (family_ == AF_INET6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port_);
  }
  [[nodiscard]] std::string url(std::string_view path = {}) const {
    return "http://" + address() + std::string(path);
  }

  [[nodiscard]] std::size_t connections() const {
    std::lock_guard lock(mutex_);
    return connections_.size();
  }
  /// Every whole request that came, head and body, in order of arrival.
  [[nodiscard]] std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Returns once `count` requests have been read.
  void wait_for_requests(std::size_t count) const {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return requests_.size() >= count; });
  }

 private:
  void accept_all() {
    while (readable(listener_)) {
      int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      std::lock_guard lock(mutex_);
      const Script& script = scripts_[std::min(connections_.size(), scripts_.size() - 1)];
      connections_.emplace_back([this, socket, &script] { play(socket, script); });
    }
  }

  void play(int socket, const Script& script) {
    std::string unread;
    for (std::size_t i = 0; i < script.size(); ++i) {
      const Step& step = script[i];
      bool goes_on = true;
      switch (step.what) {
        case Step::Do::read_request: goes_on = read_one(socket, unread); break;
        case Step::Do::send: goes_on = send_all(socket, step.bytes); break;
        case Step::Do::close: goes_on = false; break;
        case Step::Do::reset: {
          linger abruptly{1, 0};
          setsockopt(socket, SOL_SOCKET, SO_LINGER, &abruptly, sizeof abruptly);
          goes_on = false;
          break;
        }
        case Step::Do::hang:
          while (read_some(socket, unread)) continue;
          goes_on = false;
          break;
        case Step::Do::half_close: shutdown(socket, SHUT_WR); break;
        case Step::Do::gather: goes_on = gathered(step.count); break;
        case Step::Do::again: i = static_cast<std::size_t>(-1); break;
      }
      if (!goes_on) break;
    }
    ::close(socket);
  }

  /// Whether there is something to read, or to accept; false once the server is to stop.
  bool readable(int socket) const {
    pollfd watched[2] = {{socket, POLLIN, 0}, {stop_, POLLIN, 0}};
    while (poll(watched, 2, -1) < 0) continue;
    return watched[1].revents == 0;
  }

  bool read_some(int socket, std::string& into) const {
    char buffer[16 * 1024];
    if (!readable(socket)) return false;
    ssize_t count = recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    into.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  bool read_one(int socket, std::string& unread) {
    std::size_t head_end = 0;
    while ((head_end = unread.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some(socket, unread)) return false;
    }
    std::size_t whole = head_end + 4;
    std::string_view head(unread.data(), whole);
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    if (auto at = head.find(kLength); at != std::string_view::npos) {
      whole += std::stoul(std::string(head.substr(at + kLength.size(), 10)));
    }
    while (unread.size() < whole) {
      if (!read_some(socket, unread)) return false;
    }
    std::lock_guard lock(mutex_);
    requests_.push_back(unread.substr(0, whole));
    unread.erase(0, whole);
    arrived_.notify_all();
    return true;
  }

  /// False once the server is to stop.
  bool gathered(std::size_t count) const {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return stopping_ || requests_.size() >= count; });
    return !stopping_;
  }

  /// Gives up when the client hangs up, or when the server is to stop and the client reads nothing.
  bool send_all(int socket, std::string_view bytes) const {
    while (!bytes.empty()) {
      pollfd watched[2] = {{socket, POLLOUT, 0}, {stop_, POLLIN, 0}};
      while (poll(watched, 2, -1) < 0) continue;
      if (watched[1].revents != 0) return false;
      ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  const std::vector<Script> scripts_;
  const int family_;
  const int stop_;
  int listener_ = -1;
  std::uint16_t port_ = 0;

  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::list<std::thread> connections_;
  std::vector<std::string> requests_;
  bool stopping_ = false;
  std::thread acceptor_;
};

/// A port on which nobody listens, kept so that nobody else takes it: to connect is refused.
class RefusingPort {
 public:
  explicit RefusingPort(bool listening = false) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(socket_, generic, length) != 0 || getsockname(socket_, generic, &length) != 0 ||
        (listening && listen(socket_, 0) != 0)) {
      throw std::runtime_error("no port");
    }
    port_ = ntohs(address.sin_port);
  }
  ~RefusingPort() { ::close(socket_); }
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = {}) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

/// A port whose queue of new connections is full: to connect neither succeeds nor is refused.
class SilentPort : public RefusingPort {
 public:
  SilentPort() : RefusingPort(true) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port());
    for (int& filler : fillers_) {
      filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      [[maybe_unused]] int ignored =
          connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
  }
  ~SilentPort() {
    for (int filler : fillers_) ::close(filler);
  }

 private:
  int fillers_[4] = {};
};

}  // namespace hufu::testing
