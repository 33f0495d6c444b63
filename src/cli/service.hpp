#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/key_watch.hpp"
#include "cli/log_observer.hpp"
#include "cli/observers.hpp"
#include "hufu/clock.hpp"
#include "hufu/config.hpp"
#include "library/assembly.hpp"
#include "server/keeper_counters.hpp"
#include "server/server.hpp"

namespace hufu::cli {

/// A running server: store, platforms and keeper bound together, HTTP over them, and what they tell
/// each other. What `hufu serve` and `hufu dev` have in common.
///
/// Thread-safety: belongs to one thread, which is not the keeper's.
class Service {
 public:
  /// Opens the store; nothing runs yet. `clock` outlives the service; null: the system's.
  /// `log_lines_dropped`: as Server::Options has it. Fault::config or Fault::store, as
  /// `Assembly::build`.
  static Result<std::unique_ptr<Service>> open(
      Config config, std::string version, const Clock* clock = nullptr,
      std::function<std::uint64_t()> log_lines_dropped = {});

  /// Serves from now on, and begins to read the store: `done` is called, on the keeper's thread,
  /// when everything is known, until when /readyz says "starting". Fault::config where the address
  /// cannot be used (another may be tried), Fault::store where the API keys cannot be read; `done`
  /// is not called then.
  Result<void> start(const std::string& listen, Done<Result<void>> done);

  /// Lets clients go on to use the connections that they have for `drain`, then every request that
  /// has begun be answered within `timeout`; then waits for renewals in flight and gives their
  /// leases back.
  void stop(Milliseconds timeout, Milliseconds drain = Milliseconds(0));
  /// As `stop(0)`.
  ~Service();

  /// The config's apps have changed; no connection is dropped.
  Result<void> set_apps(std::vector<AppConfig> apps) {
    return assembly_->set_apps(std::move(apps));
  }

  /// Where it listens, with the real port.
  [[nodiscard]] const std::string& address() const noexcept { return server_->address(); }
  [[nodiscard]] keeper::AsyncKeeper& keeper() noexcept { return assembly_->keeper(); }
  [[nodiscard]] store::Registry& registry() noexcept { return *assembly_->registry(); }
  [[nodiscard]] const std::vector<std::string>& store_warnings() const noexcept {
    return assembly_->store_warnings();
  }

 private:
  explicit Service(server::Server::Options options) : options_(std::move(options)) {}

  server::Server::Options options_;
  std::shared_ptr<server::KeeperCounters> counters_ = std::make_shared<server::KeeperCounters>();
  LogObserver log_;
  KeyWatch key_watch_;
  Observers observers_{{counters_.get(), &log_, &key_watch_}};
  std::unique_ptr<library::Assembly> assembly_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace hufu::cli
