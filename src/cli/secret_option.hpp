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

  [[nodiscard]] bool given() const { return from_stdin || !file.empty() || !variable.empty(); }
};

/// Adds --secret-stdin, --secret-file and --secret-env, of which at most one is taken.
void add_secret_option(CLI::App& cli, SecretOption& option);

/// The secret. Fault::usage where none was named, Fault::config where it is not there.
Result<Secret> read_secret(const SecretOption& option, const Context& context);

}  // namespace hufu::cli
