#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "hufu/error.hpp"
#include "hufu/issuer.hpp"
#include "hufu/keeper.hpp"

namespace hufu::keeper {

/// Why a renewal was made.
enum class Cause {
  schedule,  ///< It was due.
  demand,    ///< Somebody waits for it: no usable token, or a wish for a longer one.
  report,    ///< The token was reported and found dead, or reports of it went on.
  operated,  ///< An operator's refresh.
};
constexpr std::string_view name_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::schedule: return "schedule";
    case Cause::demand: return "demand";
    case Cause::report: return "report";
    case Cause::operated: return "refresh";
  }
  return "";
}

/// What became of an attempt to bring a sink up to date.
enum class SinkResult {
  put,        ///< The token is there.
  withdrawn,  ///< No token is promised, and none is there any more.
  failed,     ///< It is as it was, as far as is known.
};
constexpr std::string_view name_of(SinkResult result) noexcept {
  switch (result) {
    case SinkResult::put: return "put";
    case SinkResult::withdrawn: return "withdrawn";
    case SinkResult::failed: return "failed";
  }
  return "";
}

/// What happens inside the keeper, for logs and metrics. Called on the keeper's own thread; must be
/// quick and must not call back into the keeper. No secret and no token is ever handed over.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void renewed(const Key&, Cause, std::uint64_t /*revision*/, Fingerprint,
                       Milliseconds /*call*/) {}
  /// The first token of a key was taken over from a program before Hufu: no call was made.
  virtual void imported(const Key&, std::uint64_t /*revision*/, Fingerprint) {}
  virtual void renewal_failed(const Key&, Cause, const Error&, RetryClass,
                              Milliseconds /*until next attempt*/) {}
  /// A call for a token has ended, with this errcode; 0 brought one. Empty: no answer with a code.
  virtual void called(std::string_view /*issuer*/, std::optional<int> /*errcode*/) {}
  /// So many callers more (or less) wait for a renewal in flight.
  virtual void waiting(int /*by*/) {}
  /// The call succeeded but the store could not be written: the token is served from memory.
  virtual void commit_failed(const Key&, const Error&) {}
  virtual void fenced(const Key&) {}
  virtual void lease(std::string_view /*"granted", "held", "newer" or "error"*/) {}
  virtual void probed(const Key&, ProbeResult) {}
  virtual void reported(const Key&, ReportOutcome) {}
  virtual void store_changed(bool /*usable*/, const Error* /*why not*/) {}
  /// The store has lost what was in it: apps that nobody can bring back, and tokens that are in
  /// memory and are written back.
  virtual void store_lost(std::size_t /*apps*/, std::size_t /*tokens*/) {}
  /// So many leases and tokens more were confirmed by fewer replicas of the store than it was told
  /// to wait for.
  virtual void unconfirmed(std::uint64_t /*more*/) {}
  /// The same for a log: since it was last said, at most once a minute.
  virtual void replicas_behind(std::uint64_t /*more*/) {}
  /// The wall clock was set while the process ran; decisions keep to the steady one.
  virtual void clock_stepped(Milliseconds /*by*/) {}
  /// Somebody made or revoked an API key, maybe in another process.
  virtual void keys_changed() {}

  // Of the sinks, on threads of their own:
  /// A token was brought to a sink of that kind ("redis", "file"), or not.
  virtual void sink_written(std::string_view /*kind*/, SinkResult) {}
  /// A sink cannot be used, or can be used again: told once for each change.
  virtual void sink_changed(std::string_view /*place*/, const Error* /*why not*/) {}
};

}  // namespace hufu::keeper
