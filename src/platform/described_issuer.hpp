#pragma once

#include <memory>
#include <string>

#include "hufu/clock.hpp"
#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/base_url.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// The one implementation of Issuer: does what a description says.
///
/// A call goes to the first base URL; where no connection to it can be made, to the next, all
/// within the time that the call may take. Once a request was sent, it is not sent again.
///
/// May be destroyed while calls are on their way; their `done` is still called.
class DescribedIssuer final : public Issuer {
 public:
  /// `title` names the platform in messages, `name` the issuer. `clock` tells how much of its time
  /// a call has left, and must outlive the client.
  DescribedIssuer(std::string title, std::string name, KindDescription kind,
                  PlatformAddress address, std::shared_ptr<net::HttpClient> client,
                  const Clock& clock = system_clock());

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const RenewalRule& rule() const noexcept override { return what_->kind.rule; }
  [[nodiscard]] const std::vector<Need>& needs() const noexcept override {
    return what_->kind.needs;
  }

  void issue(IssueRequest request, Done<IssueOutcome> done) override;
  [[nodiscard]] bool can_probe() const noexcept override { return what_->kind.probe.has_value(); }
  [[nodiscard]] bool probe_needs_credentials() const noexcept override;
  void probe(IssueRequest request, const Secret& token, Done<ProbeResult> done) override;
  [[nodiscard]] bool can_try_credentials() const noexcept override {
    return what_->kind.trial.has_value();
  }
  void try_credentials(IssueRequest request, Done<Result<void>> done) override;

 private:
  struct What {
    std::string title;
    KindDescription kind;
    PlatformAddress address;
  };
  class Attempt;

  void send(const Call& call, std::shared_ptr<const IssueRequest> asked, Secret probed,
            Done<net::HttpOutcome> done);

  std::shared_ptr<const What> what_;  // Shared with the calls on their way.
  std::string name_;
  std::shared_ptr<net::HttpClient> client_;
  const Clock& clock_;
};

}  // namespace hufu::platform
