#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <ostream>
#include <set>

#include "cli/command.hpp"
#include "cli/logging.hpp"
#include "cli/service.hpp"
#include "cli/service_manager.hpp"
#include "cli/signals.hpp"
#include "config/store_uri.hpp"
#include "store/opening/raw_store.hpp"

namespace hufu::cli {
namespace {

/// How long requests in flight are waited for at the end.
constexpr Milliseconds kStopTimeout = std::chrono::seconds(10);
/// How long a client may go on to use the connection that it has, at the end.
constexpr Milliseconds kDrain = std::chrono::seconds(1);

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// The file with the keys that seal this store; empty where there is none.
std::string key_file_of(const Config& config) {
  auto place = store::parse_store_uri(config.store);
  return place ? store::key_file_of(*place, config.key_file) : std::string();
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

std::set<std::string> ids_of(const std::vector<AppConfig>& apps) {
  std::set<std::string> ids;
  for (const AppConfig& app : apps) ids.insert(app.id);
  return ids;
}

/// What SIGHUP does: takes the configuration in anew, as far as that goes without a restart.
class Reloading {
 public:
  Reloading(const Context& context, const config::Loaded& at_start)
      : context_(context),
        at_start_(config::effective(at_start)),
        apps_(ids_of(at_start.config.apps)) {}

  void reload(Service& service) {
    config::Examined examined = config::examine(context_.sources);
    if (!examined.problems.empty()) {
      for (const Error& problem : examined.problems) {
        spdlog::error("the new configuration is broken: {} → {}", problem.message,
                      problem.next_step);
      }
      spdlog::error("everything goes on as before; correct it and send SIGHUP again");
      return;
    }
    Config& config = examined.loaded.config;
    const std::vector<config::Setting> now = config::effective(examined.loaded);
    const std::set<std::string> ids = ids_of(config.apps);
    const std::string level = config.log_level;

    if (auto taken = service.set_apps(std::move(config.apps)); !taken) {
      spdlog::error("the new configuration is not used, everything goes on as before: {} → {}",
                    taken.error().message, taken.error().next_step);
      return;
    }
    spdlog::set_level(spdlog::level::from_str(level));
    for (const std::string& id : ids) {
      if (!apps_.contains(id)) spdlog::info("app {} was added to the configuration", id);
    }
    for (const std::string& id : apps_) {
      if (!ids.contains(id)) spdlog::info("app {} is gone from the configuration", id);
    }
    apps_ = ids;
    warn_of_what_waits(now);
    spdlog::info("the configuration was read again: {} in it", counted(apps_.size(), "app"));
  }

 private:
  /// Everything but apps and the log's level stays as it was at the start.
  void warn_of_what_waits(const std::vector<config::Setting>& now) const {
    for (const config::Setting& setting : now) {
      if (setting.key.starts_with("app.") || setting.key == "log_level") continue;
      auto before = std::find_if(at_start_.begin(), at_start_.end(),
                                 [&](const auto& each) { return each.key == setting.key; });
      if (before != at_start_.end() && before->value == setting.value) continue;
      spdlog::warn("{} = {} takes effect with a restart; until then it is {}", setting.key,
                   setting.value, before == at_start_.end() ? "not set" : before->value);
    }
  }

  const Context& context_;
  const std::vector<config::Setting> at_start_;
  std::set<std::string> apps_;  ///< Of the configuration in force.
};

void say_what_is_configured(const Context& context, const config::Loaded& loaded,
                            const std::string& key_file) {
  const Config& config = loaded.config;
  spdlog::info("hufu {} ({}), process {}", context.build().version, context.build().id, getpid());
  spdlog::info("configuration {}, {} in it",
               loaded.file.empty() ? "of environment and defaults, without a file" : loaded.file,
               counted(config.apps.size(), "app"));
  spdlog::info("store {}, {}", config::masked_store(config.store),
               key_file.empty() ? "gone with this process" : "sealed with the keys in " + key_file);
}

void say_what_was_read(const keeper::Health& health) {
  spdlog::info("the store has been read: {}, {} with a usable token", counted(health.apps, "app"),
               health.usable);
  if (health.apps > 0) return;
  spdlog::warn(
      "no app is known → `hufu app add APP --secret-stdin`, or [[app]] in the configuration and "
      "SIGHUP");
}

ExitStatus serve(const Context& context) {
  auto loaded = context.config();
  if (!loaded) return context.fail(loaded.error());
  Logging logging(loaded->config, STDERR_FILENO);
  const config::Environment& environment = context.sources.environment;

  const std::string listen = loaded->config.listen;
  const std::string key_file = key_file_of(loaded->config);
  const bool key_file_missing = !key_file.empty() && !exists(key_file);
  say_what_is_configured(context, *loaded, key_file);

  Signals signals;
  Reloading reloading(context, *loaded);
  auto service = Service::open(std::move(loaded->config), context.build().version, nullptr,
                               logging.drop_counter());
  if (!service) return logging.fail(context, service.error());
  for (const std::string& warning : (*service)->store_warnings()) spdlog::warn("{}", warning);
  if (key_file_missing && exists(key_file)) {
    spdlog::info("made {} (mode 0600) → keep a copy of it: nothing can read the store without",
                 key_file);
  }

  signals.on_hangup([&] {
    notify_reloading(environment);
    reloading.reload(**service);
    notify_service_manager(environment, "READY=1");
  });

  std::optional<Error> unreadable;
  auto when_read = [&](Result<void> read) {
    signals.post([&, read = std::move(read)] {
      if (!read) {
        unreadable = read.error();
        return signals.end();
      }
      say_what_was_read((*service)->keeper().health());
      notify_service_manager(environment, "READY=1");
    });
  };
  if (auto started = (*service)->start(listen, when_read); !started) {
    return logging.fail(context, started.error());
  }
  spdlog::info("listening on http://{}", (*service)->address());
  signals.wait();

  notify_service_manager(environment, "STOPPING=1");
  if (!unreadable) spdlog::info("ending: requests and renewals in flight are finished");
  (*service)->stop(kStopTimeout, kDrain);
  if (unreadable) return logging.fail(context, *unreadable);
  spdlog::info("ended");
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  add_setting_flags(parameters, context, {"listen", "base_path", "threads"});
  return [&context] { return serve(context); };
}

}  // namespace

extern const Command kServe;
constinit const Command kServe = {
    "serve",
    "Runs the server",
    "hufu serve\n"
    "hufu serve --config /etc/hufu/hufu.toml\n"
    "hufu serve --listen 0.0.0.0:7200 --store sqlite:/var/lib/hufu/hufu.db",
    declare,
};

}  // namespace hufu::cli
