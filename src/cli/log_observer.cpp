#include "cli/log_observer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>

namespace hufu::cli {
namespace {

std::string name_of(const Key& key) { return fmt::format("app={} kind={}", key.app, key.kind); }

/// What happened, the platform's own code, and what to do about it.
std::string words_of(const Error& error) {
  std::string words = error.message;
  if (error.errcode && words.find(std::to_string(*error.errcode)) == std::string::npos) {
    words += fmt::format(" (errcode {})", *error.errcode);
  }
  if (!error.next_step.empty()) words += " → " + error.next_step;
  return words;
}

std::string_view name_of(ProbeResult result) {
  switch (result) {
    case ProbeResult::alive: return "alive";
    case ProbeResult::dead: return "dead";
    case ProbeResult::unknown: return "unknown";
  }
  return "";
}

double seconds(Milliseconds span) { return std::chrono::duration<double>(span).count(); }

}  // namespace

/// `kind` says what goes on, without what differs each time.
void LogObserver::warn(std::string_view kind, std::string line) {
  const auto left_out = warnings_.admit(kind, clock_.steady());
  if (!left_out) return;
  if (*left_out > 0) line += fmt::format(" (and {} times since this was last said)", *left_out);
  spdlog::warn("{}", line);
}

void LogObserver::renewed(const Key& key, keeper::Cause cause, std::uint64_t revision,
                          Fingerprint fingerprint, Milliseconds call) {
  spdlog::info("renewed: {} revision={} fingerprint={} cause={} ms={}", name_of(key), revision,
               fingerprint.hex(), keeper::name_of(cause), call.count());
}

void LogObserver::renewal_failed(const Key& key, keeper::Cause cause, const Error& error,
                                 RetryClass, Milliseconds next) {
  const std::string words = words_of(error);
  warn(fmt::format("renewal failed: {}: {}", name_of(key), words),
       fmt::format("renewal failed: {} cause={} next_attempt={:.1f}s: {}", name_of(key),
                   keeper::name_of(cause), seconds(next), words));
}

void LogObserver::commit_failed(const Key& key, const Error& error) {
  auto line = fmt::format("renewed, but not stored, and served from memory until it is: {}: {}",
                          name_of(key), words_of(error));
  warn(line, line);
}

void LogObserver::fenced(const Key& key) {
  spdlog::warn("another node has taken the lease meanwhile, what it stored stands: {}",
               name_of(key));
}

void LogObserver::lease(std::string_view outcome) { spdlog::debug("lease: {}", outcome); }

void LogObserver::probed(const Key& key, ProbeResult result) {
  auto line = fmt::format("probed: {} {}", name_of(key), name_of(result));
  if (result != ProbeResult::dead) return spdlog::debug("{}", line);
  warn(line, line);
}

void LogObserver::reported(const Key& key, ReportOutcome outcome) {
  const bool matters = outcome == ReportOutcome::renewed || outcome == ReportOutcome::throttled;
  auto line =
      fmt::format("reported as refused: {} outcome={}", name_of(key), hufu::name_of(outcome));
  if (!matters) return spdlog::debug("{}", line);
  warn(line, line);
}

void LogObserver::store_changed(bool usable, const Error* why_not) {
  if (usable) {
    spdlog::info("the store can be used again");
  } else {
    spdlog::error("the store cannot be used, and tokens are served from memory: {}",
                  why_not != nullptr ? words_of(*why_not) : std::string());
  }
}

void LogObserver::store_lost(std::size_t apps, std::size_t tokens) {
  spdlog::warn(
      "the store has lost what was in it: apps={} tokens={}: the tokens are written back, "
      "the apps and API keys that it held are gone → restore a backup, or add them again "
      "(hufu app add, hufu key create)",
      apps, tokens);
}

void LogObserver::replicas_behind(std::uint64_t more) {
  warn("replicas behind",
       fmt::format("too few replicas of the store confirm in time: writes={}: a failover now may "
                   "take them back → look at the replicas, and at the network to them",
                   more));
}

void LogObserver::clock_stepped(Milliseconds by) {
  spdlog::warn("the wall clock was set by {:.3f}s; what is due when follows the steady clock",
               seconds(by));
}

void LogObserver::sink_changed(std::string_view place, const Error* why_not) {
  if (why_not == nullptr) {
    spdlog::info("tokens reach their sink again: {}", place);
  } else {
    spdlog::warn("a token cannot be brought to its sink: {}: {}", place, words_of(*why_not));
  }
}

void LogObserver::keys_changed() { spdlog::info("API keys were made or revoked"); }

}  // namespace hufu::cli
