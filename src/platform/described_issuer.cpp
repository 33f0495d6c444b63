#include "platform/described_issuer.hpp"

#include <utility>

#include "platform/request_builder.hpp"
#include "platform/response_parser.hpp"

namespace hufu::platform {
namespace {

/// Views into `request`, which must outlive them.
CallArguments arguments_of(const IssueRequest& request) {
  CallArguments arguments;
  arguments.app = request.app;
  arguments.secret = credential(request.credentials, kSecret).reveal();
  arguments.force = request.force;
  for (const Secret& token : request.needed) arguments.needed.push_back(token.reveal());
  return arguments;
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
        IssueFailure::Delivery::not_sent, RetryClass::needed_token}));
  }
  // Kept until the answer is parsed: it must not repeat what is in here.
  auto asked = std::make_shared<const IssueRequest>(std::move(request));
  client_->send(
      build_request(description_->issue, base_url_, arguments_of(*asked), asked->timeout),
      [description = description_, asked, done = std::move(done)](net::HttpOutcome outcome) {
        IssueOutcome parsed = parse_issue_response(*description, outcome, arguments_of(*asked));
        wipe_body(outcome);
        done(std::move(parsed));
      });
}

void DescribedIssuer::probe(const Secret& token, Milliseconds timeout, Done<ProbeResult> done) {
  if (!description_->probe) return done(ProbeResult::unknown);
  CallArguments arguments;
  arguments.token = token.reveal();
  client_->send(build_request(description_->probe->call, base_url_, arguments, timeout),
                [description = description_, done = std::move(done)](net::HttpOutcome outcome) {
                  ProbeResult result = parse_probe_response(*description, outcome);
                  wipe_body(outcome);
                  done(result);
                });
}

}  // namespace hufu::platform
