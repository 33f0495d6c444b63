#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace hufu::config {

/// The environment of the process, as a value.
using Environment = std::map<std::string, std::string, std::less<>>;

/// The variable's value; null when it is not set. Set but empty counts as not set, because that is
/// how container files leave a variable out.
const std::string* find(const Environment& environment, std::string_view name);

/// Why a file could not be read.
struct FileFailure {
  bool missing = false;  ///< There is none; everything else is a fault of its own.
  std::string reason;    ///< "permission denied"
};

/// Reads a whole file. The text may be a secret: who receives it wipes it.
using ReadFile = std::function<tl::expected<std::string, FileFailure>(const std::string& path)>;

/// Everything a configuration is made from. Handed in, so that tests need neither a file nor a
/// variable.
struct Sources {
  std::optional<std::string> file;                        ///< From --config: must exist then.
  std::map<std::string, std::string, std::less<>> flags;  ///< By key: {"timing.lease", "30s"}.
  Environment environment;
  ReadFile read_file;
  /// Those compiled in.
  std::vector<std::string> stores = {"memory", "sqlite", "postgresql", "redis", "mongodb"};
};

/// The variables this process was started with.
Environment system_environment();

/// Reads from the file system, at most `kLargestFile` bytes.
ReadFile system_files();
inline constexpr std::size_t kLargestFile = 1024 * 1024;

}  // namespace hufu::config
