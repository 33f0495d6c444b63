#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace hufu::testing {

/// A TCP client that sends exactly what a test wants, well-formed or not, and reads raw bytes.
/// Nothing waits for more than ten seconds: what is missing then shows in what was read.
class RawClient {
 public:
  /// Connects to "127.0.0.1:PORT" or "[::1]:PORT". `receive_buffer` makes the kernel's small.
  explicit RawClient(std::string_view address, int receive_buffer = 0) {
    auto colon = address.rfind(':');
    auto port =
        htons(static_cast<std::uint16_t>(std::stoi(std::string(address.substr(colon + 1)))));
    bool v6 = address.starts_with('[');
    socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (v6) {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = port;
      to.sin6_addr = in6addr_loopback;
      connected_ = connect_to(to);
    } else {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = port;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      connected_ = connect_to(to);
    }
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        unread_(std::move(other.unread_)) {}
  RawClient& operator=(RawClient&&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  /// False once the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Sends as much as goes without waiting; how much that was.
  std::size_t send_some(std::string_view bytes) {
    auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  /// One whole answer with a Content-Length (or without a body); what there is, if the rest is
  /// missing.
  std::string read_answer() {
    std::size_t length = 0;
    for (;;) {
      auto header = unread_.find("\r\n\r\n");
      if (header != std::string::npos) {
        auto field = unread_.find("Content-Length: ");
        length = header + 4;
        if (field < header) length += std::stoul(unread_.substr(field + 16));
        if (unread_.size() >= length) break;
      }
      if (!read_more()) {
        length = unread_.size();
        break;
      }
    }
    std::string answer = unread_.substr(0, length);
    unread_.erase(0, length);
    return answer;
  }
  /// Everything up to the end of the connection.
  std::string read_all() {
    while (read_more()) {
    }
    return std::exchange(unread_, {});
  }
  /// Whether the connection is at its end, by now or within ten seconds.
  bool at_end() { return unread_.empty() && !read_more(); }

  /// Says that nothing more will be sent.
  void finish() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  /// Ends the connection with a reset.
  void reset() {
    linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  [[nodiscard]] int descriptor() const { return socket_; }

 private:
  template <class Address>
  bool connect_to(const Address& to) {
    return ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  bool read_more() {
    char memory[16 * 1024];
    auto count = ::recv(socket_, memory, sizeof memory, 0);
    if (count <= 0) return false;
    unread_.append(memory, static_cast<std::size_t>(count));
    return true;
  }

  int socket_ = -1;
  bool connected_ = false;
  std::string unread_;
};

}  // namespace hufu::testing
