#include "store/open_store.hpp"

#include <utility>

#include "store/aes_gcm_sealer.hpp"
#include "store/raw_store.hpp"
#include "store/sealed_store.hpp"

namespace hufu::store {

Result<OpenStore> open_store(const std::string& uri, const std::string& key_file,
                             const Clock& clock) {
  auto place = parse_store_uri(uri);
  if (!place) return tl::unexpected(place.error());
  auto raw = open_raw_store(*place, clock);
  if (!raw) return tl::unexpected(raw.error());
  const std::string key_path = key_file_of(*place, key_file);
  auto ring = unlock(*raw->ledger, key_path);
  if (!ring) return tl::unexpected(ring.error());

  auto sealer = std::make_shared<const AesGcmSealer>(std::move(*ring), key_path);
  return OpenStore{std::make_shared<SealedStore>(raw->tokens, sealer),
                   std::make_shared<SealedRegistry>(raw->registry, sealer), sealer};
}

Result<void> check_store_uri(const std::string& uri) {
  auto place = parse_store_uri(uri);
  if (!place) return tl::unexpected(place.error());
  return {};
}

std::vector<std::string> compiled_stores() { return {"memory", "sqlite"}; }

}  // namespace hufu::store
