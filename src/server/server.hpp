#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "keeper/async_keeper.hpp"
#include "net/http_server.hpp"
#include "platform/catalog.hpp"
#include "server/keeper_counters.hpp"
#include "store/registry.hpp"

namespace hufu::server {

/// `hufu serve` without the command line: the routes over one keeper, on one address.
///
/// Keeper and clock outlive the server; of the registry it keeps a share. Thread-safety: all
/// members may be called from any thread, the destructor by one.
class Server {
 public:
  struct Options {
    std::string listen = "127.0.0.1:7200";
    std::string base_path;
    int threads = 1;
    ServerLimits limits;
    std::string version;        ///< Shown in /metrics.
    platform::Catalog catalog;  ///< What can be kept: as the configuration says.
    /// The keeper's observer, or one of them, for /metrics; may be none.
    std::shared_ptr<const KeeperCounters> counters;
    /// How many log lines could not be written so far, for /metrics; called from any thread; may be
    /// none. A share of it is kept by answers that come late.
    std::function<std::uint64_t()> log_lines_dropped;
  };

  /// Reads the API keys and begins to serve: the keeper may still be reading in its apps, /readyz
  /// says so. Fault::config where the address cannot be used, Fault::store where the keys cannot
  /// be read. Blocks until the store has answered.
  static Result<std::unique_ptr<Server>> start(Options options, keeper::AsyncKeeper& keeper,
                                               std::shared_ptr<store::Registry> registry,
                                               const Clock& clock);
  /// As `stop(0)`.
  ~Server();

  /// Where it listens, with the real port.
  [[nodiscard]] const std::string& address() const noexcept;

  /// Reads the API keys again: to be called when the store's feed says that some were made or
  /// revoked (`Changes::keys`, `Observer::keys_changed`). Returns at once. `done` is called once
  /// the keys as they are now, or later ones, are in force, for requests that wait as well; after a
  /// failure the old ones stay, and it is time to try again.
  void reload_keys(Done<Result<void>> done);

  /// Stops to accept, lets what has begun be answered, returns after at most `timeout`. What is
  /// still waiting then gets no answer. Idle connections are drained before that: see
  /// net::HttpServer::stop.
  void stop(Milliseconds timeout, Milliseconds drain = Milliseconds(0));

 private:
  class KeyReader;
  Server();

  std::shared_ptr<KeyReader> key_reader_;
  std::unique_ptr<net::Handler> routes_;
  std::unique_ptr<net::HttpServer> http_;  // Last: it ends before what its handler uses.
};

}  // namespace hufu::server
