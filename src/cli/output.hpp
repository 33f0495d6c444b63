#pragma once

#include <boost/json/fwd.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"

namespace hufu::cli {

/// `text` on one line and without control characters, so that nothing a platform or a file says can
/// move a terminal's cursor or forge a line.
std::string printable(std::string_view text);

/// Columns that `text` takes on a terminal: two for each Chinese character.
std::size_t width(std::string_view text);

/// A length of time in its two largest units: "1 h 52 min", "3 min 12 s", "12 s", "0 s". Not below
/// zero.
std::string in_words(Milliseconds span);

/// Colours on a terminal; nothing elsewhere.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  [[nodiscard]] std::string red(std::string_view text) const { return in("31", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return in("32", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return in("33", text); }
  [[nodiscard]] std::string bold(std::string_view text) const { return in("1", text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return in("2", text); }

 private:
  [[nodiscard]] std::string in(std::string_view code, std::string_view text) const;
  bool on_;
};

/// Rows for people: columns aligned, two spaces between them, none at the end of a line.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  /// As many cells as the header has; made `printable`.
  void add(std::vector<std::string> row);
  /// The header is left out where there are no rows.
  void print(std::ostream& out, const Paint& paint) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

/// One JSON text on one line: for programs.
void print_json(std::ostream& out, const boost::json::value& value);

}  // namespace hufu::cli
