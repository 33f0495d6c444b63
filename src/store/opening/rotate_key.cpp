#include "store/opening/rotate_key.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "store/aes_gcm_sealer.hpp"
#include "store/blocking.hpp"
#include "store/key_file.hpp"
#include "store/opening/raw_store.hpp"
#include "store/sealed_store.hpp"

namespace hufu::store {
namespace {

/// Swaps under way at a time: enough to share commits, few enough to hold a store of any size.
constexpr std::size_t kWindow = 512;
/// Servers that have not met the new key yet may write with the old one behind our back; each round
/// shows it to more of them.
constexpr int kRounds = 8;

/// Swaps of one sealed text for another, `kWindow` at a time.
class Swaps {
 public:
  /// Waits for room, then starts one; `start` is handed the `done` to call.
  template <class Start>
  void add(Start start) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return under_way_ < kWindow; });
      ++under_way_;
    }
    start([this](Result<bool> swapped) {
      std::lock_guard lock(mutex_);
      if (!swapped) {
        if (!failure_) failure_ = swapped.error();
      } else if (*swapped) {
        ++swapped_;
      }
      --under_way_;
      changed_.notify_all();
    });
  }

  /// Waits for all of them; how many took place.
  Result<std::size_t> finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
    if (failure_) return tl::unexpected(*failure_);
    return swapped_;
  }

 private:
  std::mutex mutex_;  ///< Guards all below.
  std::condition_variable changed_;
  std::size_t under_way_ = 0;
  std::size_t swapped_ = 0;
  std::optional<Error> failure_;
};

class Resealing {
 public:
  Resealing(RawStore& store, const AesGcmSealer& sealer, std::string key_id)
      : store_(store), sealer_(sealer), key_id_(std::move(key_id)) {}

  /// One walk over everything.
  Result<Rotation> round() {
    unreadable_ = 0;
    auto tokens = reseal_tokens();
    if (!tokens) return tl::unexpected(tokens.error());
    auto credentials = reseal_credentials();
    if (!credentials) return tl::unexpected(credentials.error());
    return Rotation{key_id_, *tokens, *credentials, unreadable_};
  }

 private:
  Result<std::size_t> reseal_tokens() {
    Swaps swaps;
    auto walked = await<Result<void>>([&](auto done) {
      store_.tokens->scan(
          [&](const Key& key, const Record& record) {
            if (record.token) {
              swap(swaps, record.token->value, token_associated_data(key, record.revision),
                   [&](Secret from, Secret to, auto swapped) {
                     store_.ledger->reseal_token(key, std::move(from), std::move(to),
                                                 std::move(swapped));
                   });
            }
            swap(swaps, record.refresh_token, refresh_token_associated_data(key),
                 [&](Secret from, Secret to, auto swapped) {
                   store_.ledger->reseal_refresh_token(key, std::move(from), std::move(to),
                                                       std::move(swapped));
                 });
          },
          std::move(done));
    });
    auto swapped = swaps.finish();
    if (!walked) return tl::unexpected(walked.error());
    return swapped;
  }

  Result<std::size_t> reseal_credentials() {
    std::vector<std::string> ids;
    auto walked = await<Result<void>>([&](auto done) {
      store_.registry->scan_apps([&](AppRow app) { ids.push_back(std::move(app.id)); },
                                 std::move(done));
    });
    if (!walked) return tl::unexpected(walked.error());
    Swaps swaps;
    std::optional<Error> failure;
    for (const std::string& id : ids) {
      auto app = await<Result<std::optional<AppRow>>>(
          [&](auto done) { store_.registry->load_app(id, std::move(done)); });
      if (!app) {
        failure = app.error();
        break;
      }
      if (*app) reseal_credentials_of(**app, swaps);
    }
    auto swapped = swaps.finish();
    if (failure) return tl::unexpected(*failure);
    return swapped;
  }

  void reseal_credentials_of(const AppRow& app, Swaps& swaps) {
    for (const auto& [name, sealed] : app.credentials) {
      swap(swaps, sealed, credential_associated_data(app.id, name),
           [&, &name = name](Secret from, Secret to, auto swapped) {
             store_.ledger->reseal_credential(app.id, name, std::move(from), std::move(to),
                                              std::move(swapped));
           });
    }
  }

  /// Has `start` put the same text under the new key in the place of `sealed`; does nothing where
  /// it is empty, or under that key already.
  template <class Start>
  void swap(Swaps& swaps, const Secret& sealed, const std::string& associated_data, Start start) {
    if (sealed.empty()) return;
    auto anew = resealed(sealed, associated_data);
    if (!anew) return;
    swaps.add([&](auto swapped) { start(sealed.clone(), std::move(*anew), std::move(swapped)); });
  }

  /// The same under the new key; nothing where it is under it already, or cannot be opened.
  std::optional<Secret> resealed(const Secret& sealed, const std::string& associated_data) {
    if (AesGcmSealer::key_id(sealed.reveal()) == key_id_) return std::nullopt;
    auto plain = sealer_.open(sealed.reveal(), associated_data);
    if (!plain) {
      ++unreadable_;
      return std::nullopt;
    }
    return sealer_.seal(plain->reveal(), associated_data);
  }

  RawStore& store_;
  const AesGcmSealer& sealer_;
  const std::string key_id_;
  std::size_t unreadable_ = 0;
};

}  // namespace

Result<Rotation> rotate_key(const StoreSettings& settings, const Clock& clock) {
  auto uri = parse_store_uri(settings.uri);
  if (!uri) return tl::unexpected(uri.error());
  if (uri->kind == StoreUri::Kind::memory) {
    return fail(Fault::usage, "a store in memory has no keys to rotate",
                "name the store that the server uses");
  }
  auto raw = open_raw_store(*uri, settings.password, clock);
  if (!raw) return tl::unexpected(raw.error());
  const std::string key_path = key_file_of(*uri, settings.key_file);
  if (auto fits = unlock(*raw, key_path); !fits) return tl::unexpected(fits.error());

  // The file first: a key that the store knows and the file does not would keep everybody out.
  if (auto added = add_key_to_file(key_path); !added) return tl::unexpected(added.error());
  auto ring = unlock(*raw, key_path);
  if (!ring) return tl::unexpected(ring.error());

  Rotation total;
  total.key_id = ring->active().id;
  AesGcmSealer sealer(std::move(*ring));
  Resealing resealing(*raw, sealer, total.key_id);
  for (int i = 0; i < kRounds; ++i) {
    auto round = resealing.round();
    if (!round) return tl::unexpected(round.error());
    total.tokens += round->tokens;
    total.credentials += round->credentials;
    total.unreadable = round->unreadable;
    if (round->tokens + round->credentials == 0) break;
  }
  return total;
}

}  // namespace hufu::store
