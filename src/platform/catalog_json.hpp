#pragma once

#include <string>

#include "platform/catalog.hpp"

/// The JSON objects of `GET /v1/platforms` and of `hufu platforms --json`.
namespace hufu::platform {

/// {"name","title","parent"?,"settings":[…],"credentials":[…],"kinds":[…]}
/// - a setting: {"name","values":[…],"default","required","meaning"}; no values: any text
/// - a credential: {"name","required","meaning"}
/// - a kind, the main one first, once for each way to issue it: {"name","main","issuer","when"?,
///   "needs":[{"of","kind"}],"renewal","overlap" | "window","longest_lifetime","probed"};
///   `renewal` is rotating, windowed, sticky or independent, lengths of time are seconds, `when` is
///   the setting that chooses this way ({"endpoint":"stable"})
std::string to_json(const PlatformDescription& platform);

/// {"platforms":[…]}, in order of name.
std::string to_json(const Catalog& catalog);

}  // namespace hufu::platform
