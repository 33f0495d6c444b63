#include "store/opening/open_store.hpp"

#include <utility>

#include "store/aes_gcm_sealer.hpp"
#include "store/opening/raw_store.hpp"
#include "store/sealed_store.hpp"

namespace hufu::store {

Result<OpenStore> open_store(const StoreSettings& settings, const Clock& clock) {
  auto uri = parse_store_uri(settings.uri);
  if (!uri) return tl::unexpected(uri.error());
  const std::string key_path = key_file_of(*uri, settings.key_file);
  if (uri->is_shared() && key_path.empty()) {
    return fail(Fault::config, "a store that several nodes share needs a key file",
                "set key_file to the same file on every node");
  }
  auto raw = open_raw_store(*uri, settings.password, clock);
  if (!raw) return tl::unexpected(raw.error());
  auto ring = unlock(*raw, key_path);
  if (!ring) return tl::unexpected(ring.error());

  std::function<void(Done<Result<bool>>)> note_key_again;
  if (!raw->read_only) note_key_again = note_again(raw->ledger, *ring, key_path);
  auto sealer = std::make_shared<const AesGcmSealer>(std::move(*ring), key_path);
  return OpenStore{std::make_shared<SealedStore>(raw->tokens, sealer),
                   std::make_shared<SealedRegistry>(raw->registry, sealer),
                   raw->cluster,
                   raw->legacy_documents,
                   sealer,
                   std::move(note_key_again),
                   std::move(raw->warnings)};
}

Result<void> check_store_uri(const std::string& uri) {
  if (auto parsed = parse_store_uri(uri); !parsed) return tl::unexpected(parsed.error());
  return {};
}

std::vector<std::string> compiled_stores() {
  return {"memory", "sqlite", "postgresql", "redis", "mongodb"};
}

}  // namespace hufu::store
