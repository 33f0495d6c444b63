#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 is named so
class App;
class Option;
}  // namespace CLI

namespace hufu::cli {

/// An option or an argument that has been declared. Each call says one thing more about it.
class Parameter {
 public:
  /// What stands for its value in the help: "SECONDS".
  Parameter& value(std::string_view name);
  Parameter& required();
  /// The help shows what its variable holds now, or `text`.
  Parameter& show_default();
  Parameter& show_default(std::string_view text);
  /// Of a number, both ends included.
  Parameter& between(double low, double high);
  Parameter& one_of(const std::vector<std::string>& values);
  /// Splits each value of a list: "read,report".
  Parameter& separated_by(char separator);
  Parameter& needs(const Parameter& other);
  Parameter& excludes(const Parameter& other);

 private:
  friend class Parameters;
  explicit Parameter(CLI::Option* option) : option_(option) {}

  CLI::Option* option_;  // Belongs to the command line, which outlives every declaration.
};

/// An option as a shell needs to know it.
struct OptionOutline {
  std::string name;  ///< "--kind"
  std::string about;
  bool takes_value = false;
};

/// A command as a shell needs to know it.
struct CommandOutline {
  std::string path;  ///< "hufu config check"
  std::string about;
  std::vector<CommandOutline> commands;
  std::vector<OptionOutline> options;  ///< Those that every command takes included.
};

/// The options and arguments of one command. The variables that are handed in keep what they hold
/// where the command line does not name them, and have to outlive the command's action.
///
/// A thin layer over CLI11, whose header takes a compiler several seconds: only command_line.cpp
/// includes it.
class Parameters {
 public:
  explicit Parameters(CLI::App& command) : command_(&command) {}

  /// By position: "APP".
  Parameter argument(std::string_view name, std::string& variable, std::string_view about);

  /// By name: "--kind". It may be given once; one whose variable is a list, again and again.
  Parameter option(std::string_view name, std::string& variable, std::string_view about);
  Parameter option(std::string_view name, std::optional<std::string>& variable,
                   std::string_view about);
  Parameter option(std::string_view name, std::vector<std::string>& variable,
                   std::string_view about);
  Parameter option(std::string_view name, int& variable, std::string_view about);
  Parameter option(std::string_view name, double& variable, std::string_view about);
  Parameter option(std::string_view name, std::function<void(const std::string&)> take,
                   std::string_view about);

  /// By name and without a value: true where it is given.
  Parameter flag(std::string_view name, bool& variable, std::string_view about);

  /// The whole program, of which this command is a part. Complete only when an action runs.
  [[nodiscard]] CommandOutline program() const;

 private:
  CLI::App* command_;
};

}  // namespace hufu::cli
