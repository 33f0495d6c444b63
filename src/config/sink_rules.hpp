#pragma once

#include <compare>
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

/// Where a sink writes to.
struct Place {
  std::string redis;  ///< Its URI, which may hold a password; empty: a file.
  std::string name;   ///< The key, or the path of the file.

  friend auto operator<=>(const Place&, const Place&) = default;
};

/// The places that a sink which passed `check_sink` writes to: no two sinks may share one.
std::vector<Place> places_of(const SinkConfig& sink, const AppConfig& app);

/// A sink that writes to a place of one before it.
struct SharedPlace {
  std::string sink;  ///< "app.wx1.sink.2"
  Error error;       ///< Names the place and the other sink.
};

/// Each sink that shares a place with one before it, of the same app or of another; once, however
/// many places it shares.
std::vector<SharedPlace> find_shared_places(const std::vector<AppConfig>& apps);

}  // namespace hufu::config
