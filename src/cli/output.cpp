#include "cli/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

namespace hufu::cli {

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls (U+0080 to U+009F) come as C2 80 to C2 9F, and some terminals obey them.
    bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) ++i;
    bool space = byte == '\n' || byte == '\t';
    bool control = byte < 0x20 || byte == 0x7f || c1;
    result += space ? ' ' : control ? '?' : text[i];
  }
  return result;
}

std::size_t width(std::string_view text) {
  // {fmt} pads by what is seen, not by bytes; no text is seen wider than it has bytes.
  std::string padded = fmt::format("{:<{}}", text, text.size());
  return text.size() - (padded.size() - text.size());
}

std::string in_words(Milliseconds span) {
  const auto seconds = std::max<std::int64_t>(0, span.count() / 1000);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {} h", seconds / 86400, seconds / 3600 % 24);
}

std::string Paint::in(std::string_view code, std::string_view text) const {
  return on_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = printable(cell);
  row.resize(header_.size());
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out, const Paint& paint) const {
  if (rows_.empty()) return;
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < header_.size(); ++column) {
    std::size_t widest = width(header_[column]);
    for (const auto& row : rows_) widest = std::max(widest, width(row[column]));
    widths.push_back(widest);
  }
  auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t column = 0; column < row.size(); ++column) {
      text += fmt::format("{:<{}}  ", row[column], widths[column]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  out << paint.bold(line(header_)) << '\n';
  for (const auto& row : rows_) out << line(row) << '\n';
}

void print_json(std::ostream& out, const boost::json::value& value) {
  out << boost::json::serialize(value) << '\n';
}

}  // namespace hufu::cli
