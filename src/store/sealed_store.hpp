#pragma once

#include <memory>

#include "hufu/store.hpp"
#include "store/outstanding.hpp"
#include "store/registry.hpp"
#include "store/sealer.hpp"

namespace hufu::store {

/// The associated data with which a token, a refresh token and a credential are sealed.
std::string token_associated_data(const Key& key, std::uint64_t revision);
std::string refresh_token_associated_data(const Key& key);
std::string credential_associated_data(const std::string& app, std::string_view name);

/// A TokenStore that holds only sealed tokens: plain above, sealed below.
///
/// A record whose token does not open (another key, a changed bit, a row that was moved) is never
/// taken for one without a token: `load` and `acquire_lease` fail with the sealer's reason,
/// Fault::store, and `acquire_lease` gives the lease back; so nobody renews what nobody can read.
/// `scan` shows such a record without its token, with the reason as its failure, and goes on.
///
/// The destructor waits for every `done`, even where others still hold the store below.
class SealedStore final : public TokenStore {
 public:
  SealedStore(std::shared_ptr<TokenStore> below, std::shared_ptr<const Sealer> sealer);

  void load(const Key& key, Done<Result<Record>> done) override;
  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override;
  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override;
  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override;
  void changes(std::string cursor, Done<Result<Changes>> done) override;
  void time(Done<Result<std::optional<WallTime>>> done) override;
  void scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) override;

 private:
  /// What opening one record leaves for the next: memory of the size that the next one needs, and
  /// never anything readable.
  struct Opening {
    std::string associated_data;
    Secret token;
  };
  Result<void> open(const Key& key, Record& record, Opening& opening) const;
  void seal(const Key& key, Record& record) const;
  void give_back(Acquired grant, Error reason, Done<Result<AcquireOutcome>> done);

  std::shared_ptr<TokenStore> below_;
  std::shared_ptr<const Sealer> sealer_;
  Outstanding outstanding_;  ///< Last, so that it is the first to go.
};

/// The same for a Registry: apps' secrets are sealed, and tagged, on their way down. `load_app`
/// fails with Fault::store where a secret does not open.
class SealedRegistry final : public Registry {
 public:
  SealedRegistry(std::shared_ptr<Registry> below, std::shared_ptr<const Sealer> sealer);

  void put_app(AppRow app, Done<Result<void>> done) override;
  void load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) override;
  void remove_app(const std::string& id, Done<Result<bool>> done) override;
  void scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) override;
  void put_key(ApiKeyRow key, Done<Result<bool>> done) override;
  void revoke_key(const std::string& name, Done<Result<bool>> done) override;
  void list_keys(Done<Result<std::vector<ApiKeyRow>>> done) override;

 private:
  std::shared_ptr<Registry> below_;
  std::shared_ptr<const Sealer> sealer_;
  Outstanding outstanding_;  ///< Last, so that it is the first to go.
};

}  // namespace hufu::store
