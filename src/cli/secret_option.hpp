#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/context.hpp"

namespace hufu::cli {

/// Where a command is told that a secret is. Never an argument: every user of a machine can read
/// those of every process.
struct SecretOption {
  bool from_stdin = false;
  std::string file;
  std::string variable;

  /// How many places were named.
  [[nodiscard]] int places() const {
    return int{from_stdin} + int{!file.empty()} + int{!variable.empty()};
  }
  [[nodiscard]] bool given() const { return places() > 0; }
};

/// Adds --secret-stdin, --secret-file and --secret-env.
void add_secret_option(CLI::App& cli, SecretOption& option);

/// The secret. Fault::usage unless exactly one place was named, Fault::config where it is not
/// there.
Result<Secret> read_secret(const SecretOption& option, const Context& context);

}  // namespace hufu::cli
