#include "platform/described_issuer.hpp"

#include <utility>

#include "platform/compose.hpp"
#include "platform/judge.hpp"

namespace hufu::platform {
namespace {

/// Views into `request`, which must outlive them.
Materials materials_of(const IssueRequest& request) {
  Materials materials;
  materials.app = request.app;
  materials.secret = request.secret.reveal();
  materials.force = request.force;
  for (const Secret& token : request.needed) materials.needed.push_back(token.reveal());
  return materials;
}

/// The body may hold a token.
void wipe_body(net::HttpOutcome& outcome) {
  if (outcome) wipe(outcome->body);
}

}  // namespace

DescribedIssuer::DescribedIssuer(Description description, std::string base_url,
                                 std::shared_ptr<net::HttpClient> client)
    : description_(std::make_shared<const Description>(std::move(description))),
      name_(description_->platform + "/" + description_->endpoint + "/" + description_->kind),
      base_url_(std::move(base_url)),
      client_(std::move(client)) {}

void DescribedIssuer::issue(IssueRequest request, Done<IssueOutcome> done) {
  if (request.needed.size() != description_->needs.size()) {
    return done(tl::unexpected(IssueFailure{
        Error{Fault::internal, name_ + " was asked for without the tokens it needs", {}, {}, {}},
        IssueFailure::Delivery::not_sent, IssueFailure::Lane::parent}));
  }
  // Kept until the answer is judged: it must not repeat what is in here.
  auto asked = std::make_shared<const IssueRequest>(std::move(request));
  client_->send(
      compose(description_->issue, base_url_, materials_of(*asked), asked->timeout),
      [description = description_, asked, done = std::move(done)](net::HttpOutcome outcome) {
        IssueOutcome judged = judge_issue(*description, outcome, materials_of(*asked));
        wipe_body(outcome);
        done(std::move(judged));
      });
}

void DescribedIssuer::probe(const Secret& token, Milliseconds timeout, Done<Pulse> done) {
  if (!description_->probe) return done(Pulse::unknown);
  Materials materials;
  materials.token = token.reveal();
  client_->send(compose(description_->probe->call, base_url_, materials, timeout),
                [description = description_, done = std::move(done)](net::HttpOutcome outcome) {
                  Pulse pulse = judge_probe(*description, outcome);
                  wipe_body(outcome);
                  done(pulse);
                });
}

}  // namespace hufu::platform
