#pragma once

#include <memory>
#include <string>

#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// The one implementation of Issuer: does what a Description says.
///
/// May be destroyed while calls are on their way; their `done` is still called.
class DescribedIssuer final : public Issuer {
 public:
  /// `base_url` as `checked_base_url` returns it.
  DescribedIssuer(Description description, std::string base_url,
                  std::shared_ptr<net::HttpClient> client);

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const RenewalRule& rule() const noexcept override { return description_->rule; }
  [[nodiscard]] const std::vector<Need>& needs() const noexcept override {
    return description_->needs;
  }

  void issue(IssueRequest request, Done<IssueOutcome> done) override;
  void probe(const Secret& token, Milliseconds timeout, Done<ProbeResult> done) override;

 private:
  std::shared_ptr<const Description> description_;  // Shared with the calls on their way.
  std::string name_;
  std::string base_url_;
  std::shared_ptr<net::HttpClient> client_;
};

}  // namespace hufu::platform
