#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "sink/token_text.hpp"

namespace hufu::sink {

/// Which keys of a Redis hold one app's token of one kind, and how it is written there.
struct Layout {
  std::vector<std::string> keys;  ///< Each holds the token, in `format`.
  Format format = Format::raw;
  std::vector<std::string> ends;  ///< Each holds the end of its promise, in Unix seconds.
  /// To be removed: an SDK would trust what stands there more than the life of `keys`.
  std::vector<std::string> absent;
};

/// Where an SDK looks for tokens of one kind. Its keys are patterns: "{prefix}" and "{app}" stand
/// for the SDK's prefix and the app's id, any other "{NAME}" for the app's setting of that name,
/// and
/// "{md5:NAME}" for the MD5 of what "{NAME}" stands for and the secret, in hex. What is in brackets
/// is left out where the app has no such setting, or the SDK was given no prefix.
struct SdkKind {
  std::string_view kind;
  Format format = Format::raw;
  std::vector<std::string_view> keys;
  std::vector<std::string_view> ends{};    ///< As in Layout.
  std::vector<std::string_view> absent{};  ///< As in Layout.
};

/// The keys of an SDK for apps of one platform.
struct Sdk {
  std::string_view name;  ///< As in `sdk = "…"`.
  std::string_view platform;
  std::string_view prefix;  ///< What its keys begin with by default.
  std::vector<SdkKind> kinds;
};

/// Those whose keys can be written. What each reads, and from which of its versions that was
/// learned, stands in layout.cpp, and is held against them in layout_test.cpp.
const std::vector<Sdk>& sdks();
/// Null if there is none of that name whose keys for apps of `platform` are known.
const Sdk* find_sdk(std::string_view name, std::string_view platform);
/// Null if that SDK keeps no tokens of `kind` in a Redis.
const SdkKind* find_kind(const Sdk& sdk, std::string_view kind);
/// Whether it can be told what its keys begin with.
bool takes_prefix(const Sdk& sdk);

/// Why the keys of an SDK that people may well ask for are not written for apps of `platform`;
/// empty for an SDK that is among `sdks`, or that nobody has looked at.
std::string_view why_not(std::string_view sdk, std::string_view platform);

/// A key of one's own: "{app}" in it stands for the app's id, "{NAME}" for its setting of that
/// name. Fault::config for a pattern that has the app's secret in it, that needs a corpid or an
/// agentid where the app has none, or that cannot be a key.
Result<std::string> key_of(std::string_view pattern, const AppConfig& app);

/// The kinds of `app` whose tokens `sink` holds: of an `sdk` the access token and those kinds that
/// the app keeps and the SDK knows, else the one that the sink names, or the main kind of the app's
/// platform.
std::vector<std::string> kinds_of(const SinkConfig& sink, const AppConfig& app,
                                  std::string_view main_kind);

/// Where the token of that kind goes by `sink`, which names a Redis and has passed the
/// configuration's checks. `kind` is one of `kinds_of`. Fault::config if the SDK's key has a
/// setting in it that the app has not.
Result<Layout> layout_of(const SinkConfig& sink, const AppConfig& app, std::string_view kind);

}  // namespace hufu::sink
