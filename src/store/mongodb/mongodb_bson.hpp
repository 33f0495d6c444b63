#pragma once

#include <bson/bson.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"

namespace hufu::store {

/// A moment of MongoDB's logical clock: seconds in the upper half, a counter within them in the
/// lower. A server gives a new one to each write and never the same twice.
using Stamp = std::uint64_t;

/// A field of a document. libbson wants a bson_iter_t at an address that is a multiple of 128: one
/// inside a class is given it, a bare one inside a template is not.
struct Place {
  bson_iter_t at;
};

/// A BSON document while it is written. Moving is cheap; not thread-safe.
class Doc {
 public:
  Doc() = default;
  Doc(Doc&& other) noexcept { bson_steal(&bson_, &other.bson_), bson_init(&other.bson_); }
  Doc& operator=(Doc&& other) noexcept;
  Doc(const Doc&) = delete;
  Doc& operator=(const Doc&) = delete;
  ~Doc() { bson_destroy(&bson_); }

  Doc& text(std::string_view name, std::string_view value);
  Doc& number(std::string_view name, std::int64_t value);
  /// As JavaScript writes every number.
  Doc& real(std::string_view name, double value);
  Doc& flag(std::string_view name, bool value);
  Doc& date(std::string_view name, WallTime value);
  /// Null where there is none.
  Doc& date(std::string_view name, const std::optional<WallTime>& value);
  Doc& binary(std::string_view name, std::string_view bytes);
  Doc& stamp(std::string_view name, Stamp value);
  /// Of the first twelve of `bytes`.
  Doc& object_id(std::string_view name, std::string_view bytes);
  Doc& null(std::string_view name);
  Doc& doc(std::string_view name, const Doc& value);
  Doc& list(std::string_view name, const std::vector<std::string>& texts);
  /// A list of these.
  Doc& list(std::string_view name, const Doc& one);
  Doc& list(std::string_view name, const Doc& one, const Doc& two);
  /// All fields of `other`.
  Doc& all(const Doc& other);
  /// Whatever stands at `value`, as it is.
  Doc& copy(std::string_view name, const Place& value);

  [[nodiscard]] const bson_t* get() const { return &bson_; }
  /// For the driver to write into.
  bson_t* reset();

 private:
  bson_t bson_ = BSON_INITIALIZER;
};

/// A BSON document that is read; valid while what it was made of is. A field that is missing or of
/// another type reads as empty.
class Fields {
 public:
  Fields() = default;
  explicit Fields(const Doc& doc) : data_(bson_get_data(doc.get())), size_(doc.get()->len) {}
  Fields(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  [[nodiscard]] bool has(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] std::string_view text(std::string_view name) const;
  /// An integer of either size, or a double that stands for one.
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const;
  [[nodiscard]] std::int64_t number_or_0(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
  [[nodiscard]] std::optional<WallTime> date(std::string_view name) const;
  [[nodiscard]] WallTime date_or_epoch(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> binary(std::string_view name) const;
  [[nodiscard]] Stamp stamp(std::string_view name) const;
  /// An embedded document or a list; empty where there is none.
  [[nodiscard]] Fields doc(std::string_view name) const;
  [[nodiscard]] bool is_doc(std::string_view name) const;
  /// The elements of a list of texts; nothing where some are none.
  [[nodiscard]] std::optional<std::vector<std::string>> texts(std::string_view name) const;
  /// Of all its fields, in order.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Calls `visit` for each document of a list.
  void each(std::string_view name, const std::function<void(const Fields&)>& visit) const;
  [[nodiscard]] std::optional<Place> find(std::string_view name) const;
  [[nodiscard]] bool empty() const { return size_ <= 5; }
  [[nodiscard]] const std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hufu::store
