#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/token.hpp"

namespace hufu::store {

/// How the parts of a Record that are lists or rare are written into one column of a database.
/// Times are Unix milliseconds. Each `…_from` yields nothing where the text is not what its
/// counterpart writes.

/// "called_at:may_die_at#fence;" for each in-doubt call, so that a database can append one without
/// reading; before the "#", "?" where it is pending and "!" where it is a verdict. "#fence" is left
/// out where it is 0. Older databases hold neither "!" nor a fence: both forms are read.
std::string text_of(const std::vector<InDoubtCall>& in_doubt);
std::string text_of(const InDoubtCall& in_doubt_call);
/// What stands before "#fence;", for a database that draws the fence itself.
std::string text_before_fence(const InDoubtCall& in_doubt_call);
std::optional<std::vector<InDoubtCall>> in_doubt_from(std::string_view text);

/// "89abcdef;" for each fingerprint.
std::string text_of(const std::vector<Fingerprint>& fingerprints);
std::optional<std::vector<Fingerprint>> fingerprints_from(std::string_view text);

/// A JSON object. The tag of the credentials, which may be any bytes, is written in hex.
std::string text_of(const FailureState& failure);
std::optional<FailureState> failure_state_from(std::string_view text);

/// A JSON object; empty for a budget of which nothing was used.
std::string text_of(const Budget& budget);
std::optional<Budget> budget_from(std::string_view text);

/// Lower-case hex, and back.
std::string hex_of(std::string_view bytes);
std::optional<std::string> bytes_from_hex(std::string_view hex);

/// Sixteen hex digits that nobody else has: what a database is known by.
std::string new_identity();

/// Of a record that is there and makes no sense.
Error damaged(const Key& key);
/// What `scan` shows in place of a record that cannot be read: no token, the revision, and the
/// reason as its failure.
Record unreadable(const Record& record, Error reason);

inline std::int64_t millis(WallTime time) { return time.time_since_epoch().count(); }
inline WallTime time_from(std::int64_t millis) { return WallTime(Milliseconds(millis)); }

}  // namespace hufu::store
