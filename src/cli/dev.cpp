#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>

#include "cli/command.hpp"
#include "cli/demo_caller.hpp"
#include "cli/logging.hpp"
#include "cli/service.hpp"
#include "cli/signals.hpp"
#include "cli/speed.hpp"
#include "platform/catalog.hpp"
#include "server/api_key.hpp"
#include "simulator/server.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

constexpr const char* kAnyPort = "127.0.0.1:0";
constexpr Milliseconds kPatience = std::chrono::seconds(2);
constexpr Milliseconds kDemoCallsEvery = std::chrono::seconds(3);

struct Options {
  std::optional<std::string> sim_listen;
  double speed = 1;
  bool quiet = false;
};

/// Of the environment, what a rehearsal heeds: nothing that leads to a real platform or store.
constexpr std::array<std::string_view, 3> kHeeded = {"HUFU_LISTEN", "HUFU_LOG_LEVEL",
                                                     "HUFU_LOG_FORMAT"};

AppConfig demo_app(const char* id, const char* platform, std::string_view secret) {
  AppConfig app;
  app.id = id;
  app.platform = platform;
  app.credentials.insert_or_assign(std::string(kSecret), Secret(secret));
  return app;
}

/// Hufu as it comes, but for the platforms and the database.
Result<Config> config_of(const Context& context) {
  config::Sources sources = context.sources;
  if (sources.file || sources.flags.contains("store") || sources.flags.contains("key_file")) {
    return fail(Fault::usage, "`hufu dev` has its own platform and a store in memory",
                "Leave out --config, --store and --key-file, or run `hufu serve`");
  }
  std::erase_if(sources.environment, [](const auto& variable) {
    return std::find(kHeeded.begin(), kHeeded.end(), variable.first) == kHeeded.end();
  });
  sources.read_file = [](const std::string&) -> tl::expected<std::string, config::FileFailure> {
    return tl::unexpected(config::FileFailure{true, "not looked at"});
  };
  sources.flags["store"] = "memory:";
  auto loaded = config::load(sources);
  if (!loaded) return tl::unexpected(loaded.error());
  AppConfig account = demo_app(simulator::kDemoApp, "wechat", simulator::kDemoSecret);
  AppConfig agent = demo_app(simulator::kDemoAgent, "wecom", simulator::kDemoAgentSecret);
  agent.settings.insert_or_assign("corpid", simulator::kDemoCorp);
  loaded->config.apps.push_back(std::move(account));
  loaded->config.apps.push_back(std::move(agent));
  return std::move(loaded->config);
}

/// Where the server is to listen, where anybody said so.
std::optional<std::string> told_to_listen(const Context& context, const Config& config) {
  const bool told = context.sources.flags.contains("listen") ||
                    config::find(context.sources.environment, "HUFU_LISTEN") != nullptr;
  return told ? std::optional(config.listen) : std::nullopt;
}

/// Listens where it was told to; where nobody said where, and the usual place is taken, anywhere.
template <class Listen>
auto listen_somewhere(const std::optional<std::string>& told, const std::string& usual,
                      const Listen& listen) {
  auto first = listen(told.value_or(usual));
  if (first || told || first.error().fault != Fault::config) return first;
  auto second = listen(std::string(kAnyPort));
  if (second) spdlog::warn("{} is taken, so another port is used", usual);
  return second;
}

Result<std::unique_ptr<simulator::Simulator>> start_platform(const Options& options) {
  return listen_somewhere(options.sim_listen, simulator::kDefaultListen, [&](std::string where) {
    simulator::Simulator::Options platform;
    platform.listen = std::move(where);
    platform.speed = options.speed;
    return simulator::Simulator::start(std::move(platform));
  });
}

/// A key with all rights, for this run.
Result<Secret> make_key(store::Registry& registry) {
  auto made = server::make_api_key();
  if (!made) return tl::unexpected(made.error());
  store::ApiKeyRow row;
  row.name = "dev";
  row.hash = made->hash;
  row.rights = {true, true, true, true, true};
  auto put = store::await<Result<bool>>([&](auto done) { registry.put_key(row, std::move(done)); });
  if (!put) return tl::unexpected(put.error());
  return std::move(made->key);
}

void print_banner(const Context& context, const Options& options, const std::string& server,
                  const std::string& platform, const Secret& key) {
  const Paint paint = context.out_paint();
  const std::string app = simulator::kDemoApp;
  const std::string speed =
      options.speed == 1 ? "" : fmt::format(", time runs {:g} times as fast", options.speed);
  context.out() << paint.bold("hufu " + context.build().version) << "  "
                << paint.red("DEV MODE: NOT FOR PRODUCTION") << '\n'
                << "Simulated platforms are built in; nothing is kept" << speed << ".\n\n"
                << "  Data API   " << server << '\n'
                << "  Platform   " << platform << "   simulated; steer it under /sim/\n"
                << "  Metrics    " << server << "/metrics\n"
                << "  OpenAPI    " << server << "/openapi.json\n"
                << "  Demo app   " << app << "   an official account\n"
                << "             " << simulator::kDemoAgent << "         an agent of WeCom, corp "
                << simulator::kDemoCorp << "\n\n"
                << "  export HUFU_SERVER=" << server << '\n'
                << "  export HUFU_KEY=" << key.reveal() << "\n\n"
                << "Try, in another terminal, with these two exported:\n"
                << "  hufu get " << app << '\n'
                << "  hufu status\n"
                << "  curl \"$HUFU_SERVER/cgi-bin/token?grant_type=client_credential&appid=" << app
                << "&secret=$HUFU_KEY\"\n\n"
                << "Ctrl-C ends it.\n"
                << std::endl;
}

ExitStatus rehearse(const Options& options, const Context& context) {
  auto config = config_of(context);
  if (!config) return context.fail(config.error());
  Logging logging(*config, STDERR_FILENO);

  Signals signals;
  auto platform = start_platform(options);
  if (!platform) return logging.fail(context, platform.error());
  // All of them: an app that is added meanwhile must not lead to a real one either.
  const platform::Catalog catalog;
  for (const platform::PlatformDescription& each : catalog.platforms()) {
    config->platforms[each.name] = {(*platform)->base_url(), false};
  }
  const std::string usual = config->listen;
  const std::optional<std::string> told = told_to_listen(context, *config);

  // One clock for both sides, so that an hour lasts as long for Hufu as for the platform.
  auto service = Service::open(std::move(*config), context.build().version, &(*platform)->clock(),
                               logging.drop_counter());
  if (!service) return logging.fail(context, service.error());
  auto key = make_key((*service)->registry());
  if (!key) return logging.fail(context, key.error());

  std::optional<Error> failure;
  auto when_read = [&](Result<void> read) {
    if (read) return;
    signals.post([&, read = std::move(read)] {
      failure = read.error();
      signals.end();
    });
  };
  auto started = listen_somewhere(
      told, usual, [&](const std::string& where) { return (*service)->start(where, when_read); });
  if (!started) return logging.fail(context, started.error());

  const std::string server = "http://" + (*service)->address();
  print_banner(context, options, server, (*platform)->base_url(), *key);
  {
    std::optional<DemoCaller> account;
    std::optional<DemoCaller> agent;
    if (!options.quiet) {
      const auto place_of = [&](const char* app) {
        return DemoCaller::Place{server, (*platform)->base_url(), app, key->clone()};
      };
      account.emplace(place_of(simulator::kDemoApp), kDemoCallsEvery);
      agent.emplace(place_of(simulator::kDemoAgent), kDemoCallsEvery);
    }
    signals.wait();
  }
  (*service)->stop(kPatience);
  return failure ? logging.fail(context, *failure) : ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  add_setting_flags(parameters, context, {"listen"});
  parameters
      .option("--sim-listen", options->sim_listen,
              "Where the simulated platform listens (127.0.0.1:7201)")
      .value("HOST:PORT");
  parameters.option("--speed", options->speed, "Let time run this many times as fast, for both")
      .between(kSlowest, kFastest)
      .show_default();
  parameters.flag("--quiet", options->quiet, "Without the demo apps' calls");
  return [options, &context] { return rehearse(*options, context); };
}

}  // namespace

extern const Command kDev;
constinit const Command kDev = {
    "dev",
    "Runs server, simulated platforms and demo apps on this machine, with nothing to configure",
    "hufu dev\n"
    "hufu dev --speed 600\n"
    "hufu dev --listen 127.0.0.1:0 --sim-listen 127.0.0.1:0 --quiet",
    declare,
};

}  // namespace hufu::cli
