#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "cli/context.hpp"
#include "cli/parameters.hpp"

namespace hufu::cli {

/// What runs once the command line has been read.
using Action = std::function<ExitStatus()>;

/// One command. It lives in a file of its own, which defines one constant of this type; a line in
/// commands.cpp makes it known.
struct Command {
  std::string_view name;     ///< "get"; "config check" for a command of a group.
  std::string_view summary;  ///< One line, without a full stop.
  std::string_view example;  ///< Complete command lines, one a line.
  /// Declares `parameters` and returns what to do with them. `context` outlives the action, but is
  /// complete (globals, flags) only when that runs.
  Action (*declare)(Parameters& parameters, Context& context);
};

/// What the commands of a group have in common.
struct Group {
  std::string_view name;
  std::string_view summary;
};

/// Lets a command override settings of the configuration by flags: `keys` as in the file
/// ("listen"). Those that every command takes are declared by `run`.
void add_setting_flags(Parameters& parameters, Context& context,
                       const std::vector<std::string_view>& keys);

/// Every command of the binary, in the order of the help.
std::span<const Command> commands();
std::span<const Group> groups();

/// Reads the command line (without the program's name), runs what it asks for and returns the exit
/// status. Options may stand before or after the command.
ExitStatus run(std::span<const Command> table, const std::vector<std::string>& arguments,
               Context& context);

}  // namespace hufu::cli
