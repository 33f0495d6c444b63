#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "keeper/observer.hpp"

namespace hufu::cli {

/// Tells several what the keeper tells one. They outlive it.
class Observers final : public keeper::Observer {
 public:
  explicit Observers(std::vector<keeper::Observer*> all) : all_(std::move(all)) {}

  void renewed(const Key& key, keeper::Cause cause, std::uint64_t revision, Fingerprint fingerprint,
               Milliseconds call) override {
    for (auto* each : all_) each->renewed(key, cause, revision, fingerprint, call);
  }
  void renewal_failed(const Key& key, keeper::Cause cause, const Error& error,
                      RetryClass retry_class, Milliseconds next) override {
    for (auto* each : all_) each->renewal_failed(key, cause, error, retry_class, next);
  }
  void called(std::string_view issuer, std::optional<int> errcode) override {
    for (auto* each : all_) each->called(issuer, errcode);
  }
  void waiting(int by) override {
    for (auto* each : all_) each->waiting(by);
  }
  void commit_failed(const Key& key, const Error& error) override {
    for (auto* each : all_) each->commit_failed(key, error);
  }
  void fenced(const Key& key) override {
    for (auto* each : all_) each->fenced(key);
  }
  void lease(std::string_view outcome) override {
    for (auto* each : all_) each->lease(outcome);
  }
  void probed(const Key& key, ProbeResult result) override {
    for (auto* each : all_) each->probed(key, result);
  }
  void reported(const Key& key, ReportOutcome outcome) override {
    for (auto* each : all_) each->reported(key, outcome);
  }
  void store_changed(bool usable, const Error* why_not) override {
    for (auto* each : all_) each->store_changed(usable, why_not);
  }
  void store_lost(std::size_t apps, std::size_t tokens) override {
    for (auto* each : all_) each->store_lost(apps, tokens);
  }
  void unconfirmed(std::uint64_t more) override {
    for (auto* each : all_) each->unconfirmed(more);
  }
  void replicas_behind(std::uint64_t more) override {
    for (auto* each : all_) each->replicas_behind(more);
  }
  void clock_stepped(Milliseconds by) override {
    for (auto* each : all_) each->clock_stepped(by);
  }
  void keys_changed() override {
    for (auto* each : all_) each->keys_changed();
  }
  void sink_written(std::string_view kind, keeper::SinkResult result) override {
    for (auto* each : all_) each->sink_written(kind, result);
  }
  void sink_changed(std::string_view place, const Error* why_not) override {
    for (auto* each : all_) each->sink_changed(place, why_not);
  }

 private:
  std::vector<keeper::Observer*> all_;
};

}  // namespace hufu::cli
