#include "server/metrics_text.hpp"

#include "server/json.hpp"

namespace hufu::server {

MetricsText& MetricsText::metric(std::string_view name, std::string_view type,
                                 std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  return *this;
}

MetricsText& MetricsText::value(std::uint64_t value, Labels labels, std::string_view suffix) {
  begin_series(labels, suffix);
  append_number(text_, static_cast<std::int64_t>(value));
  text_ += '\n';
  return *this;
}

MetricsText& MetricsText::seconds(Milliseconds value, Labels labels, std::string_view suffix) {
  begin_series(labels, suffix);
  append_number(text_, value.count() / 1000);
  std::string thousandths = std::to_string(1000 + value.count() % 1000);
  text_.append(".").append(thousandths, 1).append("\n");
  return *this;
}

MetricsText& MetricsText::bucket(std::uint64_t below, Milliseconds bound) {
  std::string le = std::to_string(bound.count() / 1000);
  if (bound.count() % 1000 != 0) {
    std::string thousandths = std::to_string(1000 + bound.count() % 1000).substr(1);
    le += "." + thousandths.substr(0, thousandths.find_last_not_of('0') + 1);
  }
  return value(below, {{"le", le}}, "_bucket");
}

void MetricsText::begin_series(Labels labels, std::string_view suffix) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [name, value] : labels) {
    text_ += before;
    before = ',';
    text_.append(name).append("=\"");
    for (char c : value) {
      if (c == '\\' || c == '"') text_ += '\\';
      text_ += c == '\n' ? ' ' : c;
    }
    text_ += '"';
  }
  text_ += labels.size() > 0 ? "} " : " ";
}

}  // namespace hufu::server
