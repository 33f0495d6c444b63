#include "cli/context.hpp"

#include <ostream>

#include "config/address_rules.hpp"
#include "config/secret_source.hpp"

namespace hufu::cli {
namespace {

/// https://no-color.org, and terminals that cannot.
bool colours_wanted(const config::Environment& environment) {
  const std::string* terminal = config::find(environment, "TERM");
  return config::find(environment, "NO_COLOR") == nullptr &&
         (terminal == nullptr || *terminal != "dumb");
}

}  // namespace

Context::Context(Streams streams, config::Sources from, BuildInfo build)
    : sources(std::move(from)),
      streams_(streams),
      build_(std::move(build)),
      colours_(colours_wanted(sources.environment)) {
  sources.stores = build_.stores;
}

Result<std::optional<Server>> Context::server() const {
  const std::string* named =
      server_flag ? &*server_flag : config::find(sources.environment, "HUFU_SERVER");
  if (named == nullptr) return std::nullopt;

  auto url = config::check_base_url(*named);
  if (!url) {
    return hufu::fail(
        server_flag ? Fault::usage : Fault::config,
        (server_flag ? "--server: " : "environment HUFU_SERVER: ") + url.error().message,
        "Write it like \"http://127.0.0.1:7200\"");
  }
  if (config::find(sources.environment, "HUFU_KEY") == nullptr) {
    return hufu::fail(Fault::unauthorised,
                      "HUFU_KEY is not set, and a server answers nobody without a key",
                      "Set HUFU_KEY to a key that `hufu key create` printed on the server");
  }
  auto key = config::secret_from_environment(sources.environment, "HUFU_KEY");
  if (!key) return tl::unexpected(std::move(key.error()));
  return Server{std::move(*url), std::move(*key)};
}

ExitStatus Context::fail(const Error& error) const {
  std::string message = printable(error.message);
  if (error.errcode && message.find(std::to_string(*error.errcode)) == std::string::npos) {
    message += " (errcode " + std::to_string(*error.errcode) + ")";
  }
  err() << err_paint().red("hufu:") << ' ' << message << '\n';
  if (!error.next_step.empty()) err() << "  → " << printable(error.next_step) << '\n';
  return exit_status(error.fault);
}

void Context::note(std::string_view message, std::string_view next_step) const {
  err() << printable(message) << "\n  → " << printable(next_step) << '\n';
}

}  // namespace hufu::cli
