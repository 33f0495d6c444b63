#pragma once

#include <string>

#include "cli/context.hpp"
#include "cli/parameters.hpp"
#include "hufu/secret.hpp"

namespace hufu::cli {

/// A secret or a token from standard input, white space around it dropped. From a terminal, one
/// line that is not shown while it is typed. Fault::usage where nothing sensible came, or more than
/// `longest` bytes; no message repeats what did.
Result<Secret> read_hidden(const Context& context, const std::string& what, std::size_t longest);

/// Where a secret is to be found. It is never an argument: every user of a machine can read those.
struct SecretFlags {
  bool from_stdin = false;
  std::string file;
  std::string variable;
};

void add_secret_flags(Parameters& parameters, SecretFlags& flags);

/// The secret, white space around it dropped. Fault::usage unless exactly one place is named and
/// holds one. Names of files and variables are not repeated: they may be the secret, misplaced.
Result<Secret> read_secret(const SecretFlags& flags, const Context& context);

}  // namespace hufu::cli
