#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/load.hpp"

// Any file: it is read without a crash, and what it says loads or is complained about.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hufu;
  std::string text(data, data + size);
  // The fuzzer learns the canary from the comparisons below; a file that holds it proves nothing.
  if (text.find("canary") != std::string::npos) return 0;

  config::Sources sources;
  sources.environment = {{"HOME", "/srv/me"}, {"WX", "canary-of-a-secret"}};
  sources.read_file =
      [&](const std::string& path) -> tl::expected<std::string, config::FileFailure> {
    if (path == "./hufu.toml") return text;
    return tl::unexpected(config::FileFailure{true, "not there"});
  };

  config::Examined examined = config::examine(sources);
  for (const Error& problem : examined.problems) {
    if (problem.fault != Fault::config || problem.message.empty()) std::abort();
    if (problem.message.find("canary-of-a-secret") != std::string::npos) std::abort();
  }
  for (const config::Setting& setting : config::effective(examined.loaded)) {
    if (setting.value.find("canary-of-a-secret") != std::string::npos) std::abort();
  }
  return 0;
}
