#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/backend.hpp"
#include "library/assembly.hpp"

namespace hufu::cli {

/// The store itself, with a keeper that lives as long as the command: it reads what it is asked for
/// and renews what it touches, under the same leases as any server on this store.
class Local final : public Backend {
 public:
  /// As the configuration of `context` says. Fault::config or Fault::store.
  static Result<std::unique_ptr<Local>> open(const Context& context);
  static Result<std::unique_ptr<Local>> open(Config config, const Clock& clock);

  Result<Grant> get(const Key& key, std::chrono::seconds min_ttl) override;
  Result<Report> report(const Key& key, const Secret& refused) override;
  Result<keeper::Refreshed> refresh(const Key& key) override;
  Result<keeper::Status> status() override;
  Result<std::vector<keeper::AppInfo>> apps() override;
  Result<keeper::AppInfo> app(const std::string& id) override;
  Result<bool> put_app(AppConfig app) override;
  Result<void> remove_app(const std::string& id) override;
  Result<Trial> try_app(const std::string& id) override;
  Result<std::vector<std::string>> first_apps() override;

  [[nodiscard]] store::Registry& registry() const { return *assembly_->registry(); }
  [[nodiscard]] const std::vector<std::string>& store_warnings() const {
    return assembly_->store_warnings();
  }
  /// Fault::usage where what is stored would be gone with this process.
  [[nodiscard]] Result<void> must_last() const;

 private:
  Local() = default;
  Result<std::uint64_t> main_revision(const std::string& id);

  bool lasts_ = false;
  std::unique_ptr<library::Assembly> assembly_;
};

/// For commands that exist on the store alone: Fault::usage where a server is named.
Result<void> check_no_server(const Context& context);
Result<std::unique_ptr<Local>> open_store_itself(const Context& context);

}  // namespace hufu::cli
