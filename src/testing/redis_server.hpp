#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "testing/server_process.hpp"

namespace hufu::testing {

/// A real Redis, or a Sentinel, on 127.0.0.1, with a directory of its own; both end with it.
class RedisServer {
 public:
  /// "" where this machine has none.
  static std::string program() {
    return find_program("redis-server", {"/usr/bin", "/usr/local/bin"});
  }

  /// `lines`: further lines of its configuration. Nothing is kept on disk unless they say so.
  explicit RedisServer(const std::vector<std::string>& lines = {})
      : RedisServer("Ready to accept connections", "", [&](std::uint16_t port) {
          std::string text =
              "port " + std::to_string(port) + "\nsave \"\"\nrepl-diskless-sync-delay 0\n";
          for (const std::string& line : lines) text += line + "\n";
          return text;
        }) {}

  /// A Sentinel that watches the primary at `port` under `name`; it moves within a second or two.
  static std::unique_ptr<RedisServer> sentinel(const std::string& name, std::uint16_t port,
                                               int quorum) {
    const auto text = [&](std::uint16_t own) {
      return "port " + std::to_string(own) + "\nsentinel monitor " + name + " 127.0.0.1 " +
             std::to_string(port) + " " + std::to_string(quorum) +
             "\nsentinel down-after-milliseconds " + name + " 500\nsentinel failover-timeout " +
             name + " 2000\n";
    };
    return std::unique_ptr<RedisServer>(new RedisServer("Sentinel ID is", "--sentinel", text));
  }

  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// "127.0.0.1:PORT".
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string uri() const { return "redis://" + address(); }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  void freeze() { process_->freeze(); }
  void thaw() { process_->thaw(); }
  void stop(int signal = SIGKILL) { process_->stop(signal); }
  /// Starts again after `stop`, on the same port and with what it kept on disk.
  bool start() {
    std::filesystem::remove(log());
    process_->start();
    return ready_ = comes_up();
  }

 private:
  /// `greeting`: what it says once it answers. `how`: a further argument. `text`: its
  /// configuration, for a port.
  RedisServer(std::string greeting, std::string how,
              const std::function<std::string(std::uint16_t)>& text)
      : greeting_(std::move(greeting)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "hufu-redis-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return;
    directory_ = pattern;
    // Somebody else may have taken the port meanwhile.
    for (int attempt = 0; attempt < 5 && !ready_; ++attempt) {
      port_ = free_port();
      const std::string file = directory_ + "/redis.conf";
      std::ofstream(file, std::ios::trunc) << "bind 127.0.0.1\ndir " << directory_ << "\n"
                                           << text(port_);
      std::filesystem::remove(log());
      std::vector<std::string> arguments = {program(), file};
      if (!how.empty()) arguments.push_back(how);
      process_ = std::make_unique<ServerProcess>(std::move(arguments), log());
      ready_ = comes_up();
    }
  }

  [[nodiscard]] std::string log() const { return directory_ + "/log"; }
  bool comes_up() {
    return process_->wait_until([this] {
      std::ifstream file(log());
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      return text.find(greeting_) != std::string::npos;
    });
  }

  std::string greeting_;
  std::string directory_;
  std::uint16_t port_ = 0;
  bool ready_ = false;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace hufu::testing
