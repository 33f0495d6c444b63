#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/build_info.hpp"
#include "cli/command.hpp"
#include "cli/process_setup.hpp"

int main(int argc, char** argv) {
  using namespace hufu;
  cli::open_standard_streams();
  cli::harden_process();  // Every command may come to hold a token.
  cli::Streams streams{std::cin,
                       std::cout,
                       std::cerr,
                       isatty(STDOUT_FILENO) == 1,
                       isatty(STDERR_FILENO) == 1,
                       isatty(STDIN_FILENO) == 1};
  config::Sources sources;
  sources.environment = config::system_environment();
  sources.read_file = config::system_files();

  const std::vector<std::string> arguments(argv + 1, argv + argc);
  cli::hide_passwords({argv, static_cast<std::size_t>(argc)});

  cli::Context context(streams, std::move(sources), cli::build_info());
  return static_cast<int>(cli::run(cli::commands(), arguments, context));
}
