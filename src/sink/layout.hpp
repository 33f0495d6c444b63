#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "sink/token_text.hpp"

namespace hufu::sink {

/// Which keys of a Redis hold one app's token, and how it is written there.
struct Layout {
  std::vector<std::string> keys;  ///< Each holds the token.
  std::vector<std::string>
      absent;  ///< Keys that an SDK would trust more than the token's own life.
  Format format = Format::raw;
};

/// An SDK whose keys Hufu writes.
struct Sdk {
  std::string_view name;    ///< As in `sdk = "…"`.
  std::string_view prefix;  ///< What its keys begin with by default; empty: it has no choice.
  Layout (*layout)(std::string_view prefix, std::string_view app, std::string_view secret);
};

/// Those whose keys can be written. What each reads, and from which of its versions that was
/// learned, stands in layout.cpp, and is held against them in layout_test.cpp.
const std::vector<Sdk>& sdks();
/// Null if there is none of that name.
const Sdk* find_sdk(std::string_view name);

/// Why the keys of an SDK that people may well ask for are not written, and what to do instead;
/// empty for an SDK that is among `sdks`, or that nobody has looked at.
std::string_view why_not(std::string_view sdk);

/// A key of one's own: "{app}" in it stands for the app's id. Fault::config for a template that has
/// another placeholder, for one the app's secret, or that cannot be a key.
Result<std::string> key_of(std::string_view pattern, std::string_view app);

/// Where the token of `app` goes by `sink`, which names a Redis and has passed the configuration's
/// checks. `secret` is the app's.
Result<Layout> layout_of(const SinkConfig& sink, std::string_view app, const Secret& secret);

}  // namespace hufu::sink
