#include "store/mongodb/mongodb_legacy.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr std::int64_t kMostOfOneName = 100;

std::optional<std::int64_t> number_or_text(const Fields& document, std::string_view name) {
  if (const auto number = document.number(name)) return number;
  const std::string_view text = document.text(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Doc named(const LegacyName& name) {
  Doc filter;
  filter.text("name", name.name);
  return filter;
}

/// What such a program reads. It is written in JavaScript, where every number is a double.
Doc contents(const Secret& token, WallTime promised_until) {
  Doc fields;
  fields.text("token", token.reveal())
      .real("expires_in", static_cast<double>(millis(promised_until)));
  return fields;
}

/// Made from the name, so that two processes that find no document make only one.
Doc id_for(const LegacyName& name) {
  const std::string text = name.collection + "\n" + name.name;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  Doc id;
  id.object_id("_id", {reinterpret_cast<const char*>(digest.data()), digest.size()});
  return id;
}

/// The document that was found, whatever it holds by now.
Doc with_id_of(const LegacyDocument& found) {
  const Fields id(reinterpret_cast<const std::uint8_t*>(found.id.data()), found.id.size());
  Doc filter;
  if (const auto value = id.find("_id")) filter.copy("_id", *value);
  return filter;
}

}  // namespace

std::vector<LegacyDocument> find_legacy(MongoConnection& connection, const LegacyName& name) {
  std::vector<LegacyDocument> found;
  connection.find(
      name.collection.c_str(), named(name), Doc(), Doc(), kMostOfOneName,
      [&](const Fields& document) {
        Doc id;
        id.copy("_id", *document.find("_id"));
        const Fields bytes(id);
        const Fields meta = document.doc("meta");
        const auto updated = meta.date("updatedAt");
        const auto end = number_or_text(document, "expires_in");
        found.push_back({std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                         Secret(document.text("token")),
                         end ? std::optional(time_from(*end)) : std::nullopt,
                         updated ? updated : meta.date("createdAt")});
      });
  std::stable_sort(found.begin(), found.end(), [](const auto& one, const auto& two) {
    return std::tie(one.written_at, one.promised_until) >
           std::tie(two.written_at, two.promised_until);
  });
  return found;
}

bool make_legacy(MongoConnection& connection, const LegacyName& name, const Secret& token,
                 WallTime promised_until) {
  const WallTime now = connection.now();
  Doc meta;
  meta.date("createdAt", now).date("updatedAt", now);
  Doc document = id_for(name);
  document.text("name", name.name).all(contents(token, promised_until)).doc("meta", meta);
  return connection.insert(name.collection.c_str(), document);
}

bool replace_legacy(MongoConnection& connection, const LegacyName& name,
                    const LegacyDocument& found, const Secret& token, WallTime promised_until) {
  const char* collection = name.collection.c_str();
  const Doc id = with_id_of(found);
  bool there = false;
  bool has_meta = false;
  bool has_created_at = false;
  connection.find(collection, id, Doc(), Doc(), 1, [&](const Fields& document) {
    there = found.token.same_as(document.text("token"));
    has_meta = document.is_doc("meta");
    has_created_at = document.doc("meta").date("createdAt").has_value();
  });
  if (!there) return false;
  if (!has_meta) {
    // Nothing can be set inside of what is no document.
    connection.update(collection, id, Doc().doc("$set", Doc().doc("meta", Doc())));
  }
  const WallTime now = connection.now();
  Doc fields = contents(token, promised_until);
  fields.date("meta.updatedAt", now);
  if (!has_created_at) fields.date("meta.createdAt", now);
  Doc filter;
  filter.all(id);
  if (!found.token.empty()) filter.text("token", found.token.reveal());
  return connection.update(collection, filter, Doc().doc("$set", fields)) > 0;
}

}  // namespace hufu::store
