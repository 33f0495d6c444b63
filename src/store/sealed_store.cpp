#include "store/sealed_store.hpp"

#include <algorithm>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {

namespace {

void put_token_associated_data(const Key& key, std::uint64_t revision, std::string& data) {
  data.assign("token|").append(key.app).append("|").append(key.kind).append("|");
  data.append(std::to_string(revision));
}

}  // namespace

std::string token_associated_data(const Key& key, std::uint64_t revision) {
  std::string data;
  put_token_associated_data(key, revision, data);
  return data;
}

std::string refresh_token_associated_data(const Key& key) {
  return "refresh_token|" + key.app + "|" + key.kind;
}

std::string credential_associated_data(const std::string& app, std::string_view name) {
  // An id holds no slash, so that no app's credential can be taken for another app's secret.
  std::string data = "app|" + app;
  if (name != kSecret) data.append("/").append(name);
  return data;
}

SealedStore::SealedStore(std::shared_ptr<TokenStore> below, std::shared_ptr<const Sealer> sealer)
    : below_(std::move(below)), sealer_(std::move(sealer)) {}

/// Opens the record's secrets in place; the record is unchanged where one does not open.
Result<void> SealedStore::open(const Key& key, Record& record, Opening& opening) const {
  Secret refresh_token;
  if (!record.refresh_token.empty()) {
    auto plain = sealer_->open(record.refresh_token.reveal(), refresh_token_associated_data(key));
    if (!plain) return tl::unexpected(plain.error());
    refresh_token = std::move(*plain);
  }
  if (record.token) {
    put_token_associated_data(key, record.revision, opening.associated_data);
    auto opened =
        sealer_->open(record.token->value.reveal(), opening.associated_data, opening.token);
    if (!opened) return opened;
    std::swap(record.token->value, opening.token);
  }
  record.refresh_token = std::move(refresh_token);
  return {};
}

void SealedStore::seal(const Key& key, Record& record) const {
  if (!record.refresh_token.empty()) {
    record.refresh_token =
        sealer_->seal(record.refresh_token.reveal(), refresh_token_associated_data(key));
  }
  if (record.token) {
    record.token->value =
        sealer_->seal(record.token->value.reveal(), token_associated_data(key, record.revision));
  }
}

void SealedStore::load(const Key& key, Done<Result<Record>> done) {
  below_->load(key, [this, key, done = outstanding_.track(std::move(done))](Result<Record> record) {
    if (record) {
      Opening opening;
      if (auto opened = open(key, *record, opening); !opened)
        return done(tl::unexpected(opened.error()));
    }
    done(std::move(record));
  });
}

void SealedStore::acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) {
  Key key = lease_request.key;
  below_->acquire_lease(std::move(lease_request), [this, key = std::move(key),
                                                   done = outstanding_.track(std::move(done))](
                                                      Result<AcquireOutcome> outcome) mutable {
    if (!outcome) return done(std::move(outcome));
    Opening opening;
    if (auto* newer = std::get_if<Newer>(&*outcome)) {
      if (auto opened = open(key, newer->record, opening); !opened) {
        return done(tl::unexpected(opened.error()));
      }
    } else if (auto* granted = std::get_if<Acquired>(&*outcome)) {
      if (auto opened = open(key, granted->record, opening); !opened) {
        return give_back(std::move(*granted), opened.error(), std::move(done));
      }
    }
    done(std::move(outcome));
  });
}

/// Gives back a lease that was acquired: the platform has not been called, and will not be, so its
/// in-doubt call goes, too.
void SealedStore::give_back(Acquired grant, Error reason, Done<Result<AcquireOutcome>> done) {
  auto& in_doubt = grant.record.in_doubt;
  std::erase_if(in_doubt, [&](const InDoubtCall& call) { return call.fence == grant.lease.fence; });
  below_->commit(std::move(grant.lease), std::move(grant.record),
                 [reason = std::move(reason), done = std::move(done)](Result<WriteOutcome>) {
                   done(tl::unexpected(reason));
                 });
}

void SealedStore::commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
  seal(lease.key, next);
  below_->commit(std::move(lease), std::move(next), outstanding_.track(std::move(done)));
}

void SealedStore::add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) {
  below_->add_in_doubt(key, in_doubt_call, outstanding_.track(std::move(done)));
}

void SealedStore::changes(std::string cursor, Done<Result<Changes>> done) {
  below_->changes(std::move(cursor), outstanding_.track(std::move(done)));
}

void SealedStore::time(Done<Result<std::optional<WallTime>>> done) {
  below_->time(outstanding_.track(std::move(done)));
}

void SealedStore::scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) {
  below_->scan(
      [this, visit = std::move(visit), opening = std::make_shared<Opening>()](Key&& key,
                                                                              Record&& record) {
        if (auto opened = open(key, record, *opening); !opened) {
          record = unreadable(record, std::move(opened.error()));
        }
        visit(std::move(key), std::move(record));
      },
      outstanding_.track(std::move(done)));
}

SealedRegistry::SealedRegistry(std::shared_ptr<Registry> below,
                               std::shared_ptr<const Sealer> sealer)
    : below_(std::move(below)), sealer_(std::move(sealer)) {}

void SealedRegistry::put_app(AppRow app, Done<Result<void>> done) {
  if (const auto secret = app.credentials.find(kSecret); secret != app.credentials.end()) {
    app.tag = sealer_->tag(app.id, secret->second.reveal());
  }
  for (auto& [name, secret] : app.credentials) {
    secret = sealer_->seal(secret.reveal(), credential_associated_data(app.id, name));
  }
  below_->put_app(std::move(app), outstanding_.track(std::move(done)));
}

void SealedRegistry::load_app(const std::string& id, Done<Result<std::optional<AppRow>>> done) {
  below_->load_app(id, [this, id, done = outstanding_.track(std::move(done))](
                           Result<std::optional<AppRow>> app) {
    if (app && *app) {
      for (auto& [name, sealed] : (*app)->credentials) {
        auto secret = sealer_->open(sealed.reveal(), credential_associated_data(id, name));
        if (!secret) return done(tl::unexpected(secret.error()));
        sealed = std::move(*secret);
      }
    }
    done(std::move(app));
  });
}

void SealedRegistry::remove_app(const std::string& id, Done<Result<bool>> done) {
  below_->remove_app(id, outstanding_.track(std::move(done)));
}

void SealedRegistry::scan_apps(std::function<void(AppRow&&)> visit, Done<Result<void>> done) {
  below_->scan_apps(std::move(visit), outstanding_.track(std::move(done)));
}

void SealedRegistry::put_key(ApiKeyRow key, Done<Result<bool>> done) {
  below_->put_key(std::move(key), outstanding_.track(std::move(done)));
}

void SealedRegistry::revoke_key(const std::string& name, Done<Result<bool>> done) {
  below_->revoke_key(name, outstanding_.track(std::move(done)));
}

void SealedRegistry::list_keys(Done<Result<std::vector<ApiKeyRow>>> done) {
  below_->list_keys(outstanding_.track(std::move(done)));
}

}  // namespace hufu::store
