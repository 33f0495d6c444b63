#include "cli/process_setup.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

// LeakSanitizer looks at its own process as a debugger does.
#if defined(__SANITIZE_ADDRESS__)
#define HUFU_DEBUGS_ITSELF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HUFU_DEBUGS_ITSELF 1
#endif
#endif

namespace hufu::cli {

void open_standard_streams() noexcept {
  // Each open takes the lowest number that is free. What is opened the wrong way round can be
  // neither read nor written.
  constexpr int kModes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) open("/dev/null", kModes[descriptor]);
  }
}

void harden_process() noexcept {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
#ifndef HUFU_DEBUGS_ITSELF
  // Also where a core file is piped to a program, which does not ask for the limit.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif

  // A closed pipe and a file that is too large are errors of the call that met them. SIGUSR1 and
  // SIGUSR2 mean nothing here, and tools that send them to every daemon must not end this one.
  for (int number : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
  unsetenv("SSLKEYLOGFILE");

  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

void hide_passwords(std::span<char*> arguments) noexcept {
  constexpr std::string_view kQuery = "password=";
  for (char* argument : arguments) {
    const std::string_view text(argument);
    const auto scheme = text.find("://");
    if (scheme == std::string_view::npos) continue;
    const auto colon = text.find(':', scheme + 3);
    const auto at = text.rfind('@');
    if (at != std::string_view::npos && colon < at) {
      std::fill(argument + colon + 1, argument + at, '*');
    }
    for (auto found = text.find(kQuery); found != std::string_view::npos;
         found = text.find(kQuery, found + 1)) {
      const auto start = found + kQuery.size();
      std::fill(argument + start, argument + std::min(text.find('&', start), text.size()), '*');
    }
  }
}

int usable_cores() noexcept {
  cpu_set_t cores;
  // Fails on machines with more than 1024 of them; one thread is not wrong there either.
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

}  // namespace hufu::cli
