#include "cli/command.hpp"

namespace hufu::cli {

// One file a command, one line a file; in the order of the help.
// clang-format off
extern const Command
    kGet,
    kStatus,
    kRefresh,
    kReport,
    kServe,
    kDev,
    kSim,
    kAppAdd,
    kAppList,
    kAppShow,
    kAppRemove,
    kAppTest,
    kAppImport,
    kKeyCreate,
    kKeyList,
    kKeyRevoke,
    kPlatforms,
    kDoctor,
    kRotateKey,
    kConfigCheck,
    kConfigShow,
    kVersion,
    kCompletion;

std::span<const Command> commands() {
  static const Command kTable[] = {
      kGet,
      kStatus,
      kRefresh,
      kReport,
      kServe,
      kDev,
      kSim,
      kAppAdd,
      kAppList,
      kAppShow,
      kAppRemove,
      kAppTest,
      kAppImport,
      kKeyCreate,
      kKeyList,
      kKeyRevoke,
      kPlatforms,
      kDoctor,
      kRotateKey,
      kConfigCheck,
      kConfigShow,
      kVersion,
      kCompletion,
  };
  return kTable;
}
// clang-format on

std::span<const Group> groups() {
  static constexpr Group kTable[] = {
      {"app", "Apps that are kept in the store"},
      {"key", "Keys of business servers"},
      {"config", "The configuration"},
  };
  return kTable;
}

}  // namespace hufu::cli
