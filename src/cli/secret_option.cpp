#include "cli/secret_option.hpp"

#include <istream>
#include <iterator>

#include "config/secret_source.hpp"

namespace hufu::cli {

void add_secret_option(CLI::App& cli, SecretOption& option) {
  auto* from_stdin =
      cli.add_flag("--secret-stdin", option.from_stdin, "Read the secret from standard input");
  auto* file = cli.add_option("--secret-file", option.file, "Read the secret from this file");
  auto* variable =
      cli.add_option("--secret-env", option.variable, "Take the secret from this variable");
  file->type_name("FILE")->excludes(from_stdin);
  variable->type_name("NAME")->excludes(from_stdin)->excludes(file);
}

Result<Secret> read_secret(const SecretOption& option, const Context& context) {
  if (option.from_stdin) {
    std::string text(std::istreambuf_iterator<char>(context.in()), {});
    return config::secret_from_text(std::move(text), "standard input");
  }
  if (!option.file.empty()) {
    return config::secret_from_file(context.sources.read_file, option.file);
  }
  if (!option.variable.empty()) {
    return config::secret_from_environment(context.sources.environment, option.variable);
  }
  return fail(Fault::usage, "the secret of the app is missing",
              "Name it by --secret-stdin, --secret-file FILE or --secret-env NAME");
}

}  // namespace hufu::cli
