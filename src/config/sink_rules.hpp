#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"

namespace hufu::config {

/// What is wrong with a sink.
struct SinkProblem {
  std::string_view key;  ///< The key to blame, "redis"; empty: the sink as a whole.
  Error error;           ///< Fault::config, with a next step; repeats no URI.
};

/// A sink is a Redis or a file. A Redis says whose keys are written: `sdk`, which may take a
/// `prefix`, or `key`. A `key` and a file may take a `format`, and a `kind` that `app` keeps.
std::optional<SinkProblem> check_sink(const SinkConfig& sink, const AppConfig& app,
                                      std::string_view main_kind);

/// The places that a sink which passed `check_sink` writes to: no two sinks may share one.
std::vector<std::string> places_of(const SinkConfig& sink, const AppConfig& app);

}  // namespace hufu::config
