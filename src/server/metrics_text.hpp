#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "hufu/clock.hpp"

namespace hufu::server {

/// Writes the Prometheus text format, version 0.0.4: for each metric its help and type once, then
/// its series.
///
/// Written here and not left to prometheus-cpp, which brings a listener of its own and keeps every
/// series as an object behind a mutex; what is needed of it fits on this page.
class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  /// Begins a metric. The names given are the caller's constants and outlive this object.
  MetricsText& metric(std::string_view name, std::string_view type, std::string_view help);
  /// One series of the metric begun last; `suffix` as histograms and summaries have it.
  MetricsText& value(std::uint64_t value, Labels labels = {}, std::string_view suffix = {});
  /// The same for a time or a length of time, not negative.
  MetricsText& seconds(Milliseconds value, Labels labels = {}, std::string_view suffix = {});
  /// One bucket of a histogram: `below` counts all that took at most `bound`.
  MetricsText& bucket(std::uint64_t below, Milliseconds bound);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void begin_series(Labels labels, std::string_view suffix);

  std::string_view name_;
  std::string text_;
};

}  // namespace hufu::server
