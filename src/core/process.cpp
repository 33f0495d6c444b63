#include "core/process.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace hufu {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Ticks after boot at which `pid` was started (proc(5): field 22 of /proc/PID/stat); empty if it
/// does not exist. A zombie has ended, whether or not its parent has looked.
std::string start_of(int pid) {
  std::string stat = first_line("/proc/" + std::to_string(pid) + "/stat");
  // The second field is the name in parentheses and may hold anything, so count from its end.
  auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) {
    if (i == 3 && (field == "Z" || field == "X")) return {};
  }
  return fields ? field : std::string();
}

/// "BOOT.NAMESPACE": what must agree before a process id means anything here.
const std::string& machine() {
  static const std::string name = [] {
    char link[64] = {};
    if (readlink("/proc/self/ns/pid", link, sizeof link - 1) < 0) link[0] = '\0';
    std::string space;
    for (char c : std::string_view(link)) {
      if (c >= '0' && c <= '9') space += c;
    }
    return boot_id() + "." + space;
  }();
  return name;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const std::string& boot_id() {
  static const std::string id = first_line("/proc/sys/kernel/random/boot_id");
  return id;
}

std::string host_name() {
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return host;
}

const std::string& process_identity() {
  static const std::string identity =
      host_name() + "/" + machine() + "/" + std::to_string(getpid()) + "/" + start_of(getpid());
  return identity;
}

std::string short_name_of(std::string_view identity) {
  auto first = identity.find('/');
  auto second = identity.find('/', first + 1);
  auto third = identity.find('/', second + 1);
  if (first == std::string_view::npos || second == std::string_view::npos ||
      third == std::string_view::npos) {
    return std::string(identity);
  }
  return std::string(identity.substr(0, first)) + ":" +
         std::string(identity.substr(second + 1, third - second - 1));
}

bool process_is_gone(std::string_view identity) {
  auto last = identity.rfind('/');
  if (last == std::string_view::npos || last == 0) return false;
  auto middle = identity.rfind('/', last - 1);
  if (middle == std::string_view::npos || middle == 0) return false;
  auto first = identity.rfind('/', middle - 1);
  if (first == std::string_view::npos) return false;

  auto pid = number(identity.substr(middle + 1, last - middle - 1));
  if (identity.substr(first + 1, middle - first - 1) != machine() || !pid || *pid <= 0)
    return false;
  if (kill(*pid, 0) != 0 && errno == ESRCH) return true;
  // A process whose /proc entry is hidden from us (hidepid) may well live.
  if (access(("/proc/" + std::to_string(*pid) + "/stat").c_str(), R_OK) != 0) return false;
  return start_of(*pid) != identity.substr(last + 1);
}

}  // namespace hufu
