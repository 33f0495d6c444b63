#pragma once

#include <string>
#include <string_view>

#include "core/rate_limit.hpp"
#include "hufu/clock.hpp"
#include "keeper/observer.hpp"

namespace hufu::cli {

/// Writes down what happens inside the keeper, one line an event, to the default logger: at info
/// what changes a token, at warn what somebody may have to look at, at debug the rest.
///
/// Lines read "WORDS: name=value …", so that people and grep both find their way. What goes on
/// unchanged is one line a minute, with the number of those that were left out.
class LogObserver final : public keeper::Observer {
 public:
  /// `clock` outlives it.
  explicit LogObserver(const Clock& clock = system_clock()) : clock_(clock) {}

  void renewed(const Key& key, keeper::Cause cause, std::uint64_t revision, Fingerprint fingerprint,
               Milliseconds call) override;
  void renewal_failed(const Key& key, keeper::Cause cause, const Error& error,
                      RetryClass retry_class, Milliseconds next) override;
  void commit_failed(const Key& key, const Error& error) override;
  void fenced(const Key& key) override;
  void lease(std::string_view outcome) override;
  void probed(const Key& key, ProbeResult result) override;
  void reported(const Key& key, ReportOutcome outcome) override;
  void store_changed(bool usable, const Error* why_not) override;
  void store_lost(std::size_t apps, std::size_t tokens) override;
  void replicas_behind(std::uint64_t more) override;
  void clock_stepped(Milliseconds by) override;
  void keys_changed() override;
  void sink_changed(std::string_view place, const Error* why_not) override;

 private:
  void warn(std::string_view kind, std::string line);

  const Clock& clock_;
  RateLimit warnings_;
};

}  // namespace hufu::cli
