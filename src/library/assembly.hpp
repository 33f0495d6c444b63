#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "keeper/async_keeper.hpp"
#include "keeper/observer.hpp"
#include "store/registry.hpp"
#include "store/sealer.hpp"

namespace hufu::library {

/// What an assembly is told beside its Config.
struct Surroundings {
  const Clock* clock = nullptr;          ///< Outlives the assembly; null: the system's.
  Random* random = nullptr;              ///< Outlives the assembly; null: the system's.
  keeper::Observer* observer = nullptr;  ///< Outlives the assembly; null: nobody looks.
  /// A server reads everything and renews by itself; a command reads what it is asked for.
  bool background = true;
  std::string version;  ///< Of this program, for the others that share the store.
};

/// Everything of a Config bound together and running: the store, the platforms, the keeper and the
/// thread it lives on, the sinks. What `Keeper::open`, `hufu serve` and every command without a
/// server stand on.
///
/// Thread-safety: all members may be called from any thread but the keeper's own.
class Assembly {
 public:
  /// Opens the store and checks what can be checked. Nothing runs yet. Fault::config or
  /// Fault::store, as `Keeper::open`.
  static Result<std::unique_ptr<Assembly>> build(Config config, Surroundings surroundings);

  /// Waits for renewals in flight, at most as long as a lease, and gives the leases back.
  ~Assembly();

  /// Runs the keeper; returns when everything in the store has been read. In the background mode
  /// the keeper then renews by itself.
  Result<void> start();
  /// As `start` without waiting: `done` is called on the keeper's thread.
  void start(Done<Result<void>> done);
  /// Where this node answers, for the others that share the store to see; before `start`.
  void set_address(std::string address);
  /// The config's apps have changed; timing and store stay.
  Result<void> set_apps(std::vector<AppConfig> apps);

  [[nodiscard]] keeper::AsyncKeeper& keeper() noexcept;
  /// For those who look at records without a keeper's judgement.
  [[nodiscard]] const std::shared_ptr<TokenStore>& tokens() const noexcept;
  /// Null with a custom store.
  [[nodiscard]] const std::shared_ptr<store::Registry>& registry() const noexcept;
  [[nodiscard]] const std::shared_ptr<const store::Sealer>& sealer() const noexcept;
  [[nodiscard]] const Clock& clock() const noexcept;
  /// Now, on the line on which records are written: the database's, once the assembly has started.
  [[nodiscard]] WallTime now() const noexcept;
  /// What an operator should know of how the database is set up, a sentence each.
  [[nodiscard]] const std::vector<std::string>& store_warnings() const noexcept;

 private:
  class Impl;
  explicit Assembly(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::library
