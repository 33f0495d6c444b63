#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace hufu::net {

/// Bytes on their way: written at the end, taken from the front, one piece of memory that is kept
/// and used again. What passes through may be a secret, so memory is wiped before it is given back.
///
/// Only `prepare`, `append` and `release` move bytes; `consume` never does, so memory that was
/// handed out by `prepare` stays where it is until one of those is called. Thread-safety: none.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  ~ByteBuffer() { release(); }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  [[nodiscard]] std::string_view view() const noexcept { return {data_.get() + begin_, size()}; }
  [[nodiscard]] char* data() noexcept { return data_.get() + begin_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// At least `least` free bytes behind the end: fill some of them, then `commit`.
  std::span<char> prepare(std::size_t least);
  void commit(std::size_t count) noexcept { end_ += count; }
  void append(std::string_view bytes);

  /// Takes `count` bytes from the front.
  void consume(std::size_t count) noexcept { begin_ += count; }
  /// Takes `count` bytes out of the middle, `at` bytes behind the front.
  void erase(std::size_t at, std::size_t count) noexcept;
  void clear() noexcept { begin_ = end_; }
  /// Gives all memory back.
  void release() noexcept;

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hufu::net
