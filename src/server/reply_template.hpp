#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hufu::server {

/// A reply with places to fill in, cut into its pieces once: JSON with "{token}", "{lifetime}",
/// "{code}", "{message}" and "{rid}" in it.
///
/// Thread-safety: a plain value.
class ReplyTemplate {
 public:
  enum class Place { token, lifetime, code, message, rid };

  ReplyTemplate() = default;
  /// Braces around anything else stand for themselves.
  explicit ReplyTemplate(std::string_view text);

  /// Appends the reply; `fill(place)` appends what stands in a place. Takes no memory of its own.
  template <class Fill>
  void append(std::string& out, Fill&& fill) const {
    for (const Piece& piece : pieces_) {
      out += piece.before;
      if (piece.place) fill(*piece.place);
    }
  }

 private:
  struct Piece {
    std::string before;
    std::optional<Place> place;
  };
  std::vector<Piece> pieces_;
};

}  // namespace hufu::server
