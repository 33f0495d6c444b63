#include "store/mongodb/mongodb_copy.hpp"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

constexpr std::int64_t kMostOfOneName = 100;
/// Our own field of the document, beside those that its readers know.
constexpr const char* kFence = "hufu_fence";

std::optional<std::int64_t> number_or_text(const Fields& document, std::string_view name) {
  if (const auto number = document.number(name)) return number;
  const std::string_view text = document.text(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Doc named(std::string_view name) {
  Doc filter;
  filter.text("name", name);
  return filter;
}

}  // namespace

Doc pending_copy(const PlainCopy& copy, std::uint64_t fence) {
  Doc pending;
  pending.text("collection", copy.place.collection)
      .text("name", copy.place.name)
      .text("token", copy.token.reveal())
      .number("expires_in", millis(copy.promised_until))
      .number("fence", static_cast<std::int64_t>(fence));
  return pending;
}

void finish_copy(MongoConnection& connection, const char* records, std::string_view id,
                 const Fields& pending) {
  const std::string collection(pending.text("collection"));
  const std::string_view name = pending.text("name");
  const std::int64_t fence = pending.number_or_0("fence");
  Doc fields;
  fields.text("token", pending.text("token"))
      .real("expires_in", static_cast<double>(pending.number_or_0("expires_in")))
      .number(kFence, fence);

  struct Found {
    Doc id;
    bool has_meta;
    bool has_birthday;
  };
  std::vector<Found> there;
  connection.find(collection.c_str(), named(name), Doc(), Doc(), kMostOfOneName,
                  [&](const Fields& document) {
                    Found found{Doc(), document.is_doc("meta"),
                                document.doc("meta").date("createdAt").has_value()};
                    found.id.copy("_id", *document.find("_id"));
                    there.push_back(std::move(found));
                  });
  const WallTime now = connection.now();
  if (there.empty()) {
    Doc meta;
    meta.date("createdAt", now).date("updatedAt", now);
    fields.text("name", name).doc("meta", meta);
    connection.insert(collection.c_str(), fields);
  }
  // All of one name, so that it makes no difference which of them somebody reads.
  for (Found& found : there) {
    Doc unknown;
    unknown.doc(kFence, Doc().flag("$exists", false));
    Doc not_later;
    not_later.doc(kFence, Doc().number("$lte", fence));
    found.id.list("$or", unknown, not_later);
    if (!found.has_meta) {
      // Nothing can be set inside of what is no document.
      connection.update(collection.c_str(), found.id, Doc().doc("$set", Doc().doc("meta", Doc())));
    }
    Doc changed;
    changed.all(fields).date("meta.updatedAt", now);
    if (!found.has_birthday) changed.date("meta.createdAt", now);
    Doc change;
    change.doc("$set", changed);
    connection.update(collection.c_str(), found.id, change);
  }

  Doc filter;
  filter.text("_id", id).number("copy.fence", fence);
  connection.update(records, filter, Doc().doc("$unset", Doc().text("copy", "")));
}

std::optional<PlainCopy> find_copy(MongoConnection& connection, const CopyPlace& place) {
  std::optional<PlainCopy> newest;
  connection.find(place.collection.c_str(), named(place.name), Doc(), Doc(), kMostOfOneName,
                  [&](const Fields& document) {
                    const std::string_view token = document.text("token");
                    const auto end = number_or_text(document, "expires_in");
                    if (token.empty() || !end) return;
                    const Fields meta = document.doc("meta");
                    const auto updated = meta.date("updatedAt");
                    PlainCopy found{place, Secret(token), time_from(*end),
                                    updated ? updated : meta.date("createdAt")};
                    const auto age = [](const PlainCopy& copy) {
                      return std::pair(copy.written_at, copy.promised_until);
                    };
                    if (!newest || age(found) > age(*newest)) newest = std::move(found);
                  });
  return newest;
}

}  // namespace hufu::store
