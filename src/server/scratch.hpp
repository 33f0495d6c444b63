#pragma once

#include <openssl/crypto.h>

#include <string>

namespace hufu::server {

/// A text to write an answer into. Its memory stays with the thread, so that a hot path takes none;
/// it is wiped when this object goes, because there was a token in it. One at a time on a thread.
class Scratch {
 public:
  Scratch() : text_(of_this_thread()) {}
  ~Scratch() {
    OPENSSL_cleanse(text_.data(), text_.size());
    text_.clear();
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::string& text() noexcept { return text_; }

 private:
  /// The longest token, every byte of it escaped, and what stands around it: an answer that grew
  /// beyond that would leave its beginning in memory that is not wiped.
  static constexpr std::size_t kRoom = 6 * 4096 + 1024;

  static std::string& of_this_thread() {
    thread_local std::string text = [] {
      std::string empty;
      empty.reserve(kRoom);
      return empty;
    }();
    return text;
  }

  std::string& text_;
};

}  // namespace hufu::server
