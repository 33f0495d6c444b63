#include "cli/command.hpp"

namespace hufu::cli {

// One file a command, one line a file.
extern const Command kServe;
extern const Command kDev;
extern const Command kSim;
extern const Command kConfigCheck;
extern const Command kConfigShow;
extern const Command kVersion;
extern const Command kCompletion;

std::span<const Command> commands() {
  static const Command kTable[] = {
      kServe, kDev, kSim, kConfigCheck, kConfigShow, kVersion, kCompletion,
  };
  return kTable;
}

std::span<const Group> groups() {
  static constexpr Group kTable[] = {
      {"app", "Apps that are kept in the store"},
      {"key", "Keys of business servers"},
      {"config", "The configuration"},
  };
  return kTable;
}

}  // namespace hufu::cli
