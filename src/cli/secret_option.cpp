#include "cli/secret_option.hpp"

#include <istream>
#include <iterator>

#include "config/secret_source.hpp"

namespace hufu::cli {

void add_secret_option(CLI::App& cli, SecretOption& option) {
  cli.add_flag("--secret-stdin", option.from_stdin, "Read the secret from standard input");
  cli.add_option("--secret-file", option.file, "Read the secret from this file")->type_name("FILE");
  cli.add_option("--secret-env", option.variable, "Take the secret from this variable")
      ->type_name("NAME");
}

Result<Secret> read_secret(const SecretOption& option, const Context& context) {
  constexpr const char* kNameOne =
      "Name one of --secret-stdin, --secret-file FILE and --secret-env NAME";
  if (!option.given()) return fail(Fault::usage, "the secret of the app is missing", kNameOne);
  if (option.places() > 1) return fail(Fault::usage, "the secret lies in one place", kNameOne);
  if (option.from_stdin) {
    std::string text(std::istreambuf_iterator<char>(context.in()), {});
    return config::secret_from_text(std::move(text), "standard input");
  }
  if (!option.file.empty()) {
    return config::secret_from_file(context.sources.read_file, option.file);
  }
  return config::secret_from_environment(context.sources.environment, option.variable);
}

}  // namespace hufu::cli
