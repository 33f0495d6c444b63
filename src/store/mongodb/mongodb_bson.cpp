#include "store/mongodb/mongodb_bson.hpp"

#include <cmath>
#include <utility>

#include "store/record_text.hpp"

namespace hufu::store {
namespace {

int size_of(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace

// ---- Doc ----

Doc& Doc::operator=(Doc&& other) noexcept {
  if (this == &other) return *this;
  bson_destroy(&bson_);
  bson_steal(&bson_, &other.bson_);
  bson_init(&other.bson_);
  return *this;
}

Doc& Doc::text(std::string_view name, std::string_view value) {
  // An empty view may point nowhere, which libbson takes for null.
  const char* data = value.empty() ? "" : value.data();
  bson_append_utf8(&bson_, name.data(), size_of(name), data, size_of(value));
  return *this;
}

Doc& Doc::number(std::string_view name, std::int64_t value) {
  bson_append_int64(&bson_, name.data(), size_of(name), value);
  return *this;
}

Doc& Doc::real(std::string_view name, double value) {
  bson_append_double(&bson_, name.data(), size_of(name), value);
  return *this;
}

Doc& Doc::flag(std::string_view name, bool value) {
  bson_append_bool(&bson_, name.data(), size_of(name), value);
  return *this;
}

Doc& Doc::date(std::string_view name, WallTime value) {
  bson_append_date_time(&bson_, name.data(), size_of(name), millis(value));
  return *this;
}

Doc& Doc::date(std::string_view name, const std::optional<WallTime>& value) {
  return value ? date(name, *value) : null(name);
}

Doc& Doc::binary(std::string_view name, std::string_view bytes) {
  bson_append_binary(&bson_, name.data(), size_of(name), BSON_SUBTYPE_BINARY,
                     reinterpret_cast<const std::uint8_t*>(bytes.data()),
                     static_cast<std::uint32_t>(bytes.size()));
  return *this;
}

Doc& Doc::stamp(std::string_view name, Stamp value) {
  bson_append_timestamp(&bson_, name.data(), size_of(name), static_cast<std::uint32_t>(value >> 32),
                        static_cast<std::uint32_t>(value));
  return *this;
}

Doc& Doc::object_id(std::string_view name, std::string_view bytes) {
  bson_oid_t id;
  bson_oid_init_from_data(&id, reinterpret_cast<const std::uint8_t*>(bytes.data()));
  bson_append_oid(&bson_, name.data(), size_of(name), &id);
  return *this;
}

Doc& Doc::null(std::string_view name) {
  bson_append_null(&bson_, name.data(), size_of(name));
  return *this;
}

Doc& Doc::doc(std::string_view name, const Doc& value) {
  bson_append_document(&bson_, name.data(), size_of(name), value.get());
  return *this;
}

Doc& Doc::list(std::string_view name, const std::vector<std::string>& texts) {
  Doc elements;
  for (std::size_t i = 0; i < texts.size(); ++i) elements.text(std::to_string(i), texts[i]);
  bson_append_array(&bson_, name.data(), size_of(name), elements.get());
  return *this;
}

Doc& Doc::list(std::string_view name, const Doc& one) {
  Doc elements;
  elements.doc("0", one);
  bson_append_array(&bson_, name.data(), size_of(name), elements.get());
  return *this;
}

Doc& Doc::list(std::string_view name, const Doc& one, const Doc& two) {
  Doc elements;
  elements.doc("0", one).doc("1", two);
  bson_append_array(&bson_, name.data(), size_of(name), elements.get());
  return *this;
}

Doc& Doc::all(const Doc& other) {
  bson_concat(&bson_, other.get());
  return *this;
}

Doc& Doc::copy(std::string_view name, const Place& value) {
  bson_append_iter(&bson_, name.data(), size_of(name), &value.at);
  return *this;
}

bson_t* Doc::reset() {
  bson_destroy(&bson_);
  return &bson_;
}

// ---- Fields ----

std::optional<Place> Fields::find(std::string_view name) const {
  Place found{};
  if (data_ == nullptr || !bson_iter_init_from_data(&found.at, data_, size_)) return std::nullopt;
  if (!bson_iter_find_w_len(&found.at, name.data(), size_of(name))) return std::nullopt;
  return found;
}

std::string_view Fields::text(std::string_view name) const {
  const auto found = find(name);
  if (!found || !BSON_ITER_HOLDS_UTF8(&found->at)) return {};
  std::uint32_t size = 0;
  const char* data = bson_iter_utf8(&found->at, &size);
  return {data, size};
}

std::optional<std::int64_t> Fields::number(std::string_view name) const {
  const auto found = find(name);
  if (!found) return std::nullopt;
  if (BSON_ITER_HOLDS_INT32(&found->at)) return bson_iter_int32(&found->at);
  if (BSON_ITER_HOLDS_INT64(&found->at)) return bson_iter_int64(&found->at);
  if (!BSON_ITER_HOLDS_DOUBLE(&found->at)) return std::nullopt;
  const double real = bson_iter_double(&found->at);
  if (!(std::abs(real) < 9.2e18)) return std::nullopt;  // Also where it is no number at all.
  return static_cast<std::int64_t>(real);
}

std::int64_t Fields::number_or_0(std::string_view name) const { return number(name).value_or(0); }

bool Fields::flag(std::string_view name) const {
  const auto found = find(name);
  return found && BSON_ITER_HOLDS_BOOL(&found->at) && bson_iter_bool(&found->at);
}

std::optional<WallTime> Fields::date(std::string_view name) const {
  const auto found = find(name);
  if (!found || !BSON_ITER_HOLDS_DATE_TIME(&found->at)) return std::nullopt;
  return time_from(bson_iter_date_time(&found->at));
}

WallTime Fields::date_or_epoch(std::string_view name) const {
  return date(name).value_or(WallTime());
}

std::optional<std::string_view> Fields::binary(std::string_view name) const {
  const auto found = find(name);
  if (!found || !BSON_ITER_HOLDS_BINARY(&found->at)) return std::nullopt;
  std::uint32_t size = 0;
  const std::uint8_t* data = nullptr;
  bson_iter_binary(&found->at, nullptr, &size, &data);
  return std::string_view(reinterpret_cast<const char*>(data), size);
}

Stamp Fields::stamp(std::string_view name) const {
  const auto found = find(name);
  if (!found || !BSON_ITER_HOLDS_TIMESTAMP(&found->at)) return 0;
  std::uint32_t seconds = 0;
  std::uint32_t counter = 0;
  bson_iter_timestamp(&found->at, &seconds, &counter);
  return (Stamp{seconds} << 32) | counter;
}

Fields Fields::doc(std::string_view name) const {
  const auto found = find(name);
  if (!found) return {};
  std::uint32_t size = 0;
  const std::uint8_t* data = nullptr;
  if (BSON_ITER_HOLDS_DOCUMENT(&found->at)) {
    bson_iter_document(&found->at, &size, &data);
  } else if (BSON_ITER_HOLDS_ARRAY(&found->at)) {
    bson_iter_array(&found->at, &size, &data);
  }
  return {data, size};
}

bool Fields::is_doc(std::string_view name) const {
  const auto found = find(name);
  return found && BSON_ITER_HOLDS_DOCUMENT(&found->at);
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view name) const {
  const Fields list = doc(name);
  std::vector<std::string> texts;
  bson_iter_t element;
  if (list.data_ == nullptr || !bson_iter_init_from_data(&element, list.data_, list.size_)) {
    return std::nullopt;
  }
  while (bson_iter_next(&element)) {
    if (!BSON_ITER_HOLDS_UTF8(&element)) return std::nullopt;
    std::uint32_t size = 0;
    const char* data = bson_iter_utf8(&element, &size);
    texts.emplace_back(data, size);
  }
  return texts;
}

std::vector<std::string> Fields::names() const {
  std::vector<std::string> all;
  Place field{};
  if (data_ == nullptr || !bson_iter_init_from_data(&field.at, data_, size_)) return all;
  while (bson_iter_next(&field.at)) {
    all.emplace_back(bson_iter_key(&field.at), bson_iter_key_len(&field.at));
  }
  return all;
}

void Fields::each(std::string_view name, const std::function<void(const Fields&)>& visit) const {
  const Fields list = doc(name);
  bson_iter_t element;
  if (list.data_ == nullptr || !bson_iter_init_from_data(&element, list.data_, list.size_)) return;
  while (bson_iter_next(&element)) {
    if (!BSON_ITER_HOLDS_DOCUMENT(&element)) continue;
    std::uint32_t size = 0;
    const std::uint8_t* data = nullptr;
    bson_iter_document(&element, &size, &data);
    visit({data, size});
  }
}

}  // namespace hufu::store
