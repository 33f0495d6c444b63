#include <memory>
#include <ostream>

#include "cli/command.hpp"
#include "cli/process_setup.hpp"
#include "cli/secret_input.hpp"
#include "cli/signals.hpp"
#include "cli/speed.hpp"
#include "simulator/server.hpp"

namespace hufu::cli {
namespace {

struct Options {
  simulator::Simulator::Options simulator;
  std::string app = simulator::kDemoApp;
  SecretFlags secret;
  std::string lifetime;
  std::string overlap;
  bool strict = false;
  bool lenient = false;
};

Result<void> read_span(const std::string& text, Milliseconds& into) {
  if (text.empty()) return {};
  auto span = simulator::parse_duration(text);
  if (!span) return tl::unexpected(span.error());
  if (*span <= Milliseconds(0)) {
    return fail(Fault::usage, "a length of time must be above zero", "Write it like \"90s\"");
  }
  into = *span;
  return {};
}

bool names_a_secret(const Options& options) {
  const SecretFlags& flags = options.secret;
  return flags.from_stdin || !flags.file.empty() || !flags.variable.empty();
}

Result<void> complete(Options& options, const Context& context) {
  simulator::Settings& settings = options.simulator.model.settings;
  if (auto read = read_span(options.lifetime, settings.lifetime); !read) return read;
  if (auto read = read_span(options.overlap, settings.overlap); !read) return read;
  if (options.strict && options.lenient) {
    return fail(Fault::usage, "--strict and --lenient exclude each other", "Leave one of them out");
  }
  settings.strict = !options.lenient;
  options.simulator.threads = usable_cores();

  if (!names_a_secret(options)) {
    const bool needs_none = options.app == simulator::kDemoApp || options.simulator.model.any_app;
    if (needs_none) return {};
  }
  auto secret = read_secret(options.secret, context);
  if (!secret) return tl::unexpected(secret.error());
  options.simulator.apps = {{options.app, std::string(secret->reveal())}};
  return {};
}

void say_how_to_use(const Context& context, const Options& options,
                    const simulator::Simulator& platform) {
  const std::string url = platform.base_url();
  // The first line of data: whoever started this program with port 0 waits for it.
  context.out() << url << std::endl;

  const bool demo = !names_a_secret(options) && options.app == simulator::kDemoApp;
  std::ostream& err = context.err();
  err << context.err_paint().bold("Simulated platforms. NOT FOR PRODUCTION.") << '\n'
      << "Point Hufu at it:\n  export WECHAT_BASE_URL=" << url << '\n'
      << "  export WECHAT_APPID=" << printable(options.app)
      << " WECHAT_APPSECRET=" << (demo ? simulator::kDemoSecret : "…") << '\n';
  if (options.simulator.model.any_app) err << "It takes every app id, with any secret.\n";
  if (!platform.control_address().empty()) {
    err << "Steer it at http://" << platform.control_address() << "/sim/state\n";
  } else {
    err << "Steer it: curl " << url << "/sim/state\n";
  }
  err << std::flush;
}

ExitStatus simulate(Options& options, const Context& context) {
  if (auto completed = complete(options, context); !completed) {
    return context.fail(completed.error());
  }
  Signals signals;
  auto platform = simulator::Simulator::start(options.simulator);
  if (!platform) return context.fail(platform.error());
  say_how_to_use(context, options, **platform);
  signals.wait();
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  auto& simulator = options->simulator;
  simulator.listen = simulator::kDefaultListen;
  parameters.argument("APP", options->app, "The app it knows").show_default();
  add_secret_flags(parameters, options->secret);
  parameters.flag("--any-app", simulator.model.any_app, "Know every app id, and take any secret");
  parameters
      .option("--listen", simulator.listen, "Where the platform listens; port 0: any free one")
      .value("HOST:PORT")
      .show_default();
  parameters
      .option("--control-listen", simulator.control_listen,
              "A second address for /sim/, which answers while the first refuses connections")
      .value("HOST:PORT");
  parameters.option("--speed", simulator.speed, "Let its time run this many times as fast")
      .between(kSlowest, kFastest)
      .show_default();
  parameters.option("--lifetime", options->lifetime, "Of a new token (7200s)").value("DURATION");
  parameters.option("--overlap", options->overlap, "How long a displaced token lives on (300s)")
      .value("DURATION");
  auto strict = parameters.flag("--strict", options->strict,
                                "Only the newest token and the one before live (the default)");
  parameters.flag("--lenient", options->lenient, "Every displaced token lives through its overlap")
      .excludes(strict);
  return [options, &context] { return simulate(*options, context); };
}

}  // namespace

extern const Command kSim;
constinit const Command kSim = {
    "sim",
    "Runs the platform simulator alone",
    "hufu sim\n"
    "hufu sim --listen 127.0.0.1:0 --any-app\n"
    "hufu sim wx0123456789abcdef --secret-env WECHAT_APPSECRET --speed 600",
    declare,
};

}  // namespace hufu::cli
