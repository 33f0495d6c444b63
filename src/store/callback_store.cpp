#include "hufu/callback_store.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "store/lease_rule.hpp"
#include "store/worker.hpp"

namespace hufu {
namespace {

using store::held;
using store::holds;
using store::LeaseState;
using store::Worker;

/// What a WeChat token lives, and how long before its end one is renewed: the best guess about a
/// token of which only the end is known.
constexpr Milliseconds kUsualLife = std::chrono::seconds(7200);
constexpr Milliseconds kUsualAhead = std::chrono::seconds(1800);

Error failed(std::string_view which, std::string_view why) {
  return {Fault::store,
          "the " + std::string(which) + " callback failed: " + std::string(why),
          "see what the program that handed it in has to say",
          {},
          {}};
}

/// Calls into the program that embeds us; whatever it throws becomes an Error.
template <class Call>
auto guarded(std::string_view which, Call call) -> Result<decltype(call())> {
  try {
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      return {};
    } else {
      return call();
    }
  } catch (const std::exception& thrown) {
    return tl::unexpected(failed(which, thrown.what()));
  } catch (...) {
    return tl::unexpected(failed(which, "it threw something that is no std::exception"));
  }
}

/// A record of a token of which only value and end are known.
Record record_of(SavedToken saved, WallTime now) {
  Record record;
  record.token = Token{Secret(std::move(saved.token)),
                       std::min(now, saved.expires_at - kUsualLife),
                       saved.expires_at,
                       {}};
  record.revision = 1;
  record.renew_at = saved.expires_at - kUsualAhead;
  record.created_at = now;
  record.updated_at = now;
  return record;
}

class CallbackStore final : public TokenStore {
 public:
  CallbackStore(Key key, LoadToken load, SaveToken save, const Clock& clock)
      : key_(std::move(key)),
        load_(std::move(load)),
        save_(std::move(save)),
        clock_(clock),
        worker_([](std::vector<std::function<void()>>& jobs) {
          for (auto& job : jobs) job();
        }) {}

  ~CallbackStore() override { worker_.close(); }

  void load(const Key& key, Done<Result<Record>> done) override {
    run<Record>(key, std::move(done), [this]() -> Result<Record> { return record_.clone(); });
  }

  void acquire_lease(LeaseRequest lease_request, Done<Result<AcquireOutcome>> done) override {
    Key key = lease_request.key;
    run<AcquireOutcome>(key, std::move(done), [this, lease_request = std::move(lease_request)] {
      return acquire(lease_request);
    });
  }

  void commit(Lease lease, Record next, Done<Result<WriteOutcome>> done) override {
    finish(std::move(lease), std::move(next), std::move(done));
  }

  void add_in_doubt(const Key& key, InDoubtCall in_doubt_call, Done<Result<void>> done) override {
    run<void>(key, std::move(done), [this, in_doubt_call]() -> Result<void> {
      if (record_.created_at == WallTime()) return {};
      record_.in_doubt.push_back(in_doubt_call);
      unseen_in_doubt_.push_back(in_doubt_call);
      touch();
      return {};
    });
  }

  void changes(std::string cursor, Done<Result<Changes>> done) override {
    run<Changes>(key_, std::move(done), [this, cursor = std::move(cursor)]() -> Result<Changes> {
      Changes changes;
      changes.cursor = std::to_string(sequence_);
      if (cursor.empty() || cursor == changes.cursor) return changes;
      // There is one key: whoever is behind has missed a change of it. A number that is none of
      // ours comes from another life of this store.
      bool is_ours = cursor.size() <= changes.cursor.size() &&
                     cursor.find_first_not_of("0123456789") == std::string::npos;
      changes.everything = !is_ours;
      if (is_ours) changes.tokens.push_back(key_);
      return changes;
    });
  }

  void scan(std::function<void(Key&&, Record&&)> visit, Done<Result<void>> done) override {
    run<void>(key_, std::move(done), [this, visit = std::move(visit)]() -> Result<void> {
      if (record_.created_at != WallTime()) visit(Key(key_), record_.clone());
      return {};
    });
  }

 private:
  /// Does `work` on our thread, once the token that was saved last has been loaded.
  template <class T, class Work>
  void run(const Key& key, Done<Result<T>> done, Work work) {
    if (key != key_) {
      return done(fail(Fault::usage,
                       "this store keeps " + key_.app + " " + key_.kind + " only, not " + key.app +
                           " " + key.kind,
                       "hand in a store that keeps more than one key"));
    }
    // Shared, because a std::function must be copyable and a record is not.
    auto shared = std::make_shared<Work>(std::move(work));
    std::function<void()> job = [this, done, shared] {
      if (auto loaded = load_once(); !loaded) return done(tl::unexpected(loaded.error()));
      done((*shared)());
    };
    if (!worker_.push(job)) done(fail(Fault::store, "the store is being closed"));
  }

  Result<void> load_once() {
    if (loaded_) return {};
    auto saved = guarded("load", load_);
    if (!saved) return tl::unexpected(saved.error());
    loaded_ = true;
    if (*saved && !(*saved)->token.empty()) {
      record_ = record_of(std::move(**saved), clock_.wall());
    }
    return {};
  }

  Result<AcquireOutcome> acquire(const LeaseRequest& lease_request) {
    WallTime now = clock_.wall();
    if (record_.revision > lease_request.seen) return AcquireOutcome(Newer{record_.clone()});
    if (auto other = held(lease_, now, lease_request.grace))
      return AcquireOutcome(std::move(*other));
    if (record_.created_at == WallTime()) record_.created_at = now;
    lease_ = {touch(), lease_request.holder, now + lease_request.lease};
    record_.in_doubt.push_back(lease_request.in_doubt_call);
    record_.in_doubt.back().fence = lease_.fence;
    unseen_in_doubt_.clear();
    return AcquireOutcome(
        Acquired{{key_, lease_.fence, lease_request.holder, lease_request.in_doubt_call.called_at},
                 record_.clone()});
  }

  void finish(Lease lease, Record next, Done<Result<WriteOutcome>> done) {
    Key key = lease.key;
    run<WriteOutcome>(
        key, std::move(done),
        [this, lease = std::move(lease), next = std::move(next)]() mutable -> Result<WriteOutcome> {
          if (!holds(lease_, lease)) return WriteOutcome::fenced;
          lease_.holder.clear();
          const bool is_new = next.token && (next.revision != record_.revision || !record_.token ||
                                             next.token->expires_at != record_.token->expires_at);
          if (is_new) {
            SavedToken saved{std::string(next.token->value.reveal()), next.token->expires_at};
            auto outcome = guarded("save", [&] { save_(saved); });
            wipe(saved.token);
            if (!outcome) return tl::unexpected(outcome.error());
          }
          next.created_at = record_.created_at;
          next.in_doubt.insert(next.in_doubt.end(), unseen_in_doubt_.begin(),
                               unseen_in_doubt_.end());
          unseen_in_doubt_.clear();
          record_ = std::move(next);
          touch();
          return WriteOutcome::written;
        });
  }

  /// Notes a change; returns its number.
  std::uint64_t touch() {
    record_.updated_at = clock_.wall();
    return ++sequence_;
  }

  const Key key_;
  const LoadToken load_;
  const SaveToken save_;
  const Clock& clock_;
  // All below: the worker's thread only.
  bool loaded_ = false;
  Record record_;
  LeaseState lease_;
  std::vector<InDoubtCall> unseen_in_doubt_;  ///< Added since the lease was acquired.
  std::uint64_t sequence_ = 0;
  Worker<std::function<void()>> worker_;
};

}  // namespace

std::shared_ptr<TokenStore> callback_store(Key key, LoadToken load, SaveToken save,
                                           const Clock& clock) {
  return std::make_shared<CallbackStore>(std::move(key), std::move(load), std::move(save), clock);
}

}  // namespace hufu
