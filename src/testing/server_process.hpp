#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace hufu::testing {

/// A port of 127.0.0.1 that nobody listens on at this moment; 0 where none can be had. Below those
/// that Linux gives to whoever connects somewhere (32768 and up): one of these may be gone before
/// the server is up, or while it is down.
inline std::uint16_t free_port() {
  std::random_device jitter;
  std::uniform_int_distribution<int> any(10'000, 32'000);
  for (int tries = 0; tries < 1000; ++tries) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(any(jitter)));
    const bool free =
        ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(descriptor);
    if (free) return ntohs(address.sin_port);
  }
  return 0;
}

/// Where a program lies: on the path, or in one of `places`; empty if nowhere.
inline std::string find_program(const std::string& name, const std::vector<std::string>& places) {
  std::vector<std::string> all = places;
  const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    all.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  for (const std::string& place : all) {
    std::string candidate = place + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

/// A real database server (or a proxy) that a test starts for itself and that ends with the test,
/// however that ends. What it prints goes to a file, for when it does not come up.
class ServerProcess {
 public:
  /// Runs `arguments` (the program first), as user and group `user` where that is not 0.
  ServerProcess(std::vector<std::string> arguments, std::string log, unsigned user = 0)
      : arguments_(std::move(arguments)), log_(std::move(log)), user_(user) {
    start();
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { stop(SIGKILL); }

  void start() {
    std::vector<char*> argv;
    for (std::string& argument : arguments_) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    // The child: only calls that are safe after a fork.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    const int file = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    ::dup2(file, 1);
    ::dup2(file, 2);
    if (user_ != 0) {
      if (::setgid(user_) != 0 || ::setuid(user_) != 0) ::_exit(126);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // Changing the user clears it.
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  /// Sends `signal` and waits for the end.
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGCONT);
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  /// The server stands still, and goes on. Its children are not touched.
  void freeze() const { ::kill(pid_, SIGSTOP); }
  void thaw() const { ::kill(pid_, SIGCONT); }

  /// Waits until `ready` says so; false where the process ended before, or after half a minute.
  [[nodiscard]] bool wait_until(const std::function<bool()>& ready) {
    for (int i = 0; i < 3000; ++i) {
      if (ready()) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::vector<std::string> arguments_;
  std::string log_;
  unsigned user_;
  pid_t pid_ = -1;
};

}  // namespace hufu::testing
