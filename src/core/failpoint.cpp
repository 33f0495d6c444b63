#include "core/failpoint.hpp"

#ifdef HUFU_FAILPOINTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace hufu {
namespace {

struct Armed {
  std::string_view name;
  int signal = 0;
  const char* once_there = nullptr;  ///< A path; null: from the first.
};

Armed from_environment() {
  const char* text = std::getenv("HUFU_FAILPOINT");
  if (text == nullptr) return {};
  std::string_view rest = text;
  const auto end = rest.find(':');
  if (end == std::string_view::npos) return {};
  Armed armed;
  armed.name = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (rest.starts_with("kill")) armed.signal = SIGKILL;
  if (rest.starts_with("stop")) armed.signal = SIGSTOP;
  if (rest.size() > 5) armed.once_there = rest.data() + 5;
  return armed;
}

}  // namespace

void pass_failpoint(std::string_view name) noexcept {
  static const Armed armed = from_environment();
  static std::atomic<bool> done{false};
  if (armed.signal == 0 || name != armed.name) return;
  if (armed.once_there != nullptr && ::access(armed.once_there, F_OK) != 0) return;
  // To this thread: sent to the process, a stop may reach another one first, and this one goes on.
  if (!done.exchange(true)) raise(armed.signal);
}

}  // namespace hufu

#endif
