#include "library/assembly.hpp"

#include <future>
#include <utility>

#include "config/timing_rules.hpp"
#include "library/loop.hpp"
#include "net/http_client.hpp"
#include "platform/app_check.hpp"
#include "platform/catalog.hpp"
#include "platform/custom_platform.hpp"
#include "platform/timing.hpp"
#include "sink/legacy_document_sink.hpp"
#include "sink/sinks.hpp"
#include "store/blocking.hpp"
#include "store/opening/open_store.hpp"

namespace hufu::library {

/// Dies in this order: the keeper stops, nothing can call back any more, the loop ends, the keeper
/// goes.
class Assembly::Impl {
 public:
  Impl(Config given, Surroundings surroundings)
      : config(std::move(given)),
        catalog(config),
        clock(surroundings.clock != nullptr ? *surroundings.clock : system_clock()),
        random(surroundings.random != nullptr ? *surroundings.random : own_random),
        observer(surroundings.observer != nullptr ? *surroundings.observer : nobody),
        background(surroundings.background),
        version(std::move(surroundings.version)),
        sinks(clock, observer),
        loop(clock) {}

  Result<void> open() {
    if (auto checked = check_config(); !checked) return checked;
    const bool custom = config.custom_store != nullptr;
    auto opened = store::open_store(
        {custom ? "memory:" : config.store, config.key_file, config.store_password.clone()}, clock);
    if (!opened) return tl::unexpected(opened.error());
    store = std::move(*opened);
    if (custom) {
      store.tokens = config.custom_store;
      store.registry = nullptr;
      store.cluster = nullptr;
      store.note_key_again = nullptr;
    }
    // One issuer for each app of the config, so that a bad address is told at once.
    for (const AppConfig& app : config.apps) {
      auto issuer = make_issuer(app.platform, std::string(setting(app.settings, "endpoint")), {});
      if (!issuer) return tl::unexpected(issuer.error());
    }
    if (auto prepared = prepare_sinks(config.apps); !prepared) return prepared;
    keeper::Parts parts;
    parts.clock = &clock;
    parts.random = &random;
    parts.observer = &observer;
    parts.listener = &sinks;
    parts.tokens = store.tokens;
    parts.registry = store.registry;
    parts.cluster = store.cluster;
    parts.sealer = store.sealer;
    parts.note_key_again = store.note_key_again;
    parts.make_issuer = [this](const std::string& platform, const std::string& endpoint,
                               const std::string& kind) {
      return make_issuer(platform, endpoint, kind);
    };
    parts.missing_credential = [this](const std::string& name, const Credentials& credentials) {
      const platform::PlatformDescription* described = catalog.find(name);
      if (described == nullptr) return std::string();
      const auto missing = platform::missing_credential(*described, credentials);
      return missing ? missing->key : std::string();
    };
    parts.timing = platform::timing_for(config, *catalog.find(AppConfig().platform));
    if (store.legacy_documents) {
      parts.find_imported = sink::import_from(store.legacy_documents, find_legacy_name());
    }
    parts.apps = std::move(config.apps);
    parts.background = background;
    parts.version = std::move(version);
    keeper = std::make_unique<keeper::KeeperImpl>(loop.context(), std::move(parts));
    return {};
  }

  Result<keeper::IssuerSetup> make_issuer(const std::string& platform, const std::string& endpoint,
                                          const std::string& kind) const {
    auto issuer = platform::make_issuer(catalog, config, platform, endpoint, kind, client);
    if (!issuer) return tl::unexpected(issuer.error());
    const platform::PlatformDescription& described = *catalog.find(platform);
    const std::string& main = platform::main_kind(described);
    return keeper::IssuerSetup{std::move(*issuer), kind.empty() ? main : kind, main,
                               platform::timing_for(config, described), described.account};
  }

  /// Which legacy document an app has, as long as there is a keeper to tell.
  sink::FindLegacyName find_legacy_name() const {
    return [this](const std::string& app) -> std::optional<store::LegacyName> {
      const auto info = keeper->app(app);
      if (!info || info->legacy_document.empty()) return std::nullopt;
      return store::LegacyName{info->legacy_collection, info->legacy_document};
    };
  }

  /// What `config::load` has checked already, where the configuration came from there.
  Result<void> check_config() const {
    for (const auto& [name, reached] : config.platforms) {
      if (!reached.custom) continue;
      for (platform::PlatformProblem& problem : platform::check_custom_platform(name, reached)) {
        const std::string key = problem.key.empty() ? "" : "." + problem.key;
        problem.error.message = "platform." + name + key + ": " + problem.error.message;
        return tl::unexpected(std::move(problem.error));
      }
    }
    for (Error& problem : config::check_timings(config, catalog)) {
      return tl::unexpected(std::move(problem));
    }
    return {};
  }

  /// A command has no sinks: nobody would check them afterwards.
  Result<void> prepare_sinks(const std::vector<AppConfig>& apps) {
    if (!background) return {};
    return sinks.prepare(apps, [this](const std::string& platform) {
      const platform::PlatformDescription* described = catalog.find(platform);
      return described == nullptr ? std::string() : platform::main_kind(*described);
    });
  }
  void start_sinks() {
    sinks.start([this](const Key& key) { return handed_out(key); });
  }
  /// For a command, too: programs look for the token that it has fetched.
  void start_legacy_documents() {
    if (!store.legacy_documents) return;
    auto target = std::make_shared<sink::LegacyDocumentTarget>(store.legacy_documents, store.tokens,
                                                               store.sealer, clock);
    sinks.start_legacy_documents(std::move(target), find_legacy_name(),
                                 [this](const Key& key) { return handed_out(key); });
  }

  /// What any caller would be given for `key` now.
  std::optional<Grant> handed_out(const Key& key) const {
    std::optional<Grant> grant;
    keeper->read(key.app, key.kind, keeper::Wish{}, [&](const keeper::TokenView& view) {
      grant = Grant{key,
                    Secret(view.token),
                    std::chrono::seconds(view.expires_in),
                    view.expires_at,
                    view.revision,
                    view.fingerprint,
                    false};
    });
    return grant;
  }

  ~Impl() {
    if (!background) sinks.drain();
    sinks.stop();
    if (!running) return;
    std::promise<void> stopped;
    keeper->stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
    // Nothing may call back any more while the loop ends: stores and platforms first.
    client.reset();
    store = {};
    config.custom_store.reset();
    loop.stop();
  }

  Config config;
  const platform::Catalog catalog;
  SystemRandom own_random;
  keeper::Observer nobody;
  const Clock& clock;
  Random& random;
  keeper::Observer& observer;
  bool background;
  std::string version;
  std::shared_ptr<net::HttpClient> client = std::make_shared<net::HttpClient>();
  store::OpenStore store;
  sink::Sinks sinks;
  Loop loop;
  std::unique_ptr<keeper::KeeperImpl> keeper;
  bool running = false;
};

Result<std::unique_ptr<Assembly>> Assembly::build(Config config, Surroundings surroundings) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(surroundings));
  if (auto opened = impl->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Assembly>(new Assembly(std::move(impl)));
}

Assembly::Assembly(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Assembly::~Assembly() = default;

Result<void> Assembly::start() {
  return store::await<Result<void>>([this](auto done) { start(std::move(done)); });
}

void Assembly::start(Done<Result<void>> done) {
  impl_->running = true;
  impl_->start_sinks();
  impl_->start_legacy_documents();
  impl_->loop.run(*impl_->keeper);
  impl_->keeper->start(std::move(done));
}

void Assembly::set_address(std::string address) { impl_->keeper->set_address(std::move(address)); }

Result<void> Assembly::set_apps(std::vector<AppConfig> apps) {
  if (auto prepared = impl_->prepare_sinks(apps); !prepared) return prepared;
  // Shared, because the function that carries it must be copyable and an AppConfig is not.
  auto shared = std::make_shared<std::vector<AppConfig>>(std::move(apps));
  auto taken = store::await<Result<void>>([this, shared](auto done) {
    impl_->keeper->set_config_apps(std::move(*shared), std::move(done));
  });
  if (taken) impl_->start_sinks();
  return taken;
}

keeper::AsyncKeeper& Assembly::keeper() noexcept { return *impl_->keeper; }
const std::shared_ptr<TokenStore>& Assembly::tokens() const noexcept { return impl_->store.tokens; }
const std::shared_ptr<store::Registry>& Assembly::registry() const noexcept {
  return impl_->store.registry;
}
const std::shared_ptr<const store::Sealer>& Assembly::sealer() const noexcept {
  return impl_->store.sealer;
}
const Clock& Assembly::clock() const noexcept { return impl_->clock; }
WallTime Assembly::now() const noexcept { return impl_->keeper->now(); }
const std::vector<std::string>& Assembly::store_warnings() const noexcept {
  return impl_->store.warnings;
}

}  // namespace hufu::library
