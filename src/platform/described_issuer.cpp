#include "platform/described_issuer.hpp"

#include <algorithm>
#include <utility>

#include "platform/request_builder.hpp"
#include "platform/response_parser.hpp"

namespace hufu::platform {
namespace {

/// The body may hold a token.
void wipe_body(net::HttpOutcome& outcome) {
  if (outcome) wipe(outcome->body);
}

bool carries_a_credential(const std::vector<Parameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const Parameter& parameter) {
    return parameter.value.from == Value::From::credential;
  });
}

}  // namespace

/// One call on its way, from base URL to base URL.
class DescribedIssuer::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  /// The client is alive whenever it calls back, so a plain pointer to it is enough. (An owning one
  /// could end it on its own thread.)
  Attempt(std::shared_ptr<const What> what, const Call& call,
          std::shared_ptr<const IssueRequest> asked, Secret probed, net::HttpClient* client,
          const Clock& clock, Done<net::HttpOutcome> done)
      : what_(std::move(what)),
        call_(call),
        asked_(std::move(asked)),
        probed_(std::move(probed)),
        client_(client),
        clock_(clock),
        deadline_(clock.steady() + asked_->timeout),
        done_(std::move(done)) {}

  void send() {
    const auto& base_urls = what_->address.base_urls;
    net::HttpRequest request = build_request(call_, base_urls.at(next_), *asked_, probed_.reveal());
    if (next_ > 0) request.timeout = deadline_ - clock_.steady();
    // What is left of the time is shared between this base URL and those behind it.
    const auto left = static_cast<Milliseconds::rep>(base_urls.size() - next_);
    if (left > 1) request.connect_timeout = request.timeout / left;
    request.proxy = Secret(std::string_view(what_->address.proxy));
    ++next_;
    client_->send(std::move(request), [self = shared_from_this()](net::HttpOutcome outcome) {
      self->take(std::move(outcome));
    });
  }

 private:
  void take(net::HttpOutcome outcome) {
    const bool not_sent = !outcome && outcome.error().reach == net::HttpFailure::Reach::not_sent;
    if (not_sent) {
      failures_ += (failures_.empty() ? "" : "; ") + outcome.error().message;
      outcome.error().message = failures_;
      const bool has_next = next_ < what_->address.base_urls.size();
      if (has_next && clock_.steady() < deadline_) return send();
    }
    done_(std::move(outcome));
  }

  const std::shared_ptr<const What> what_;
  const Call& call_;  // Of `what_`.
  const std::shared_ptr<const IssueRequest> asked_;
  const Secret probed_;
  net::HttpClient* const client_;
  const Clock& clock_;
  const SteadyTime deadline_;
  const Done<net::HttpOutcome> done_;
  std::size_t next_ = 0;
  std::string failures_;  // Of the base URLs that could not be reached.
};

DescribedIssuer::DescribedIssuer(std::string title, std::string name, KindDescription kind,
                                 PlatformAddress address, std::shared_ptr<net::HttpClient> client,
                                 const Clock& clock)
    : what_(std::make_shared<const What>(
          What{std::move(title), std::move(kind), std::move(address)})),
      name_(std::move(name)),
      client_(std::move(client)),
      clock_(clock) {}

void DescribedIssuer::issue(IssueRequest request, Done<IssueOutcome> done) {
  if (request.needed.size() != what_->kind.needs.size()) {
    return done(tl::unexpected(IssueFailure{
        Error{Fault::internal, name_ + " was asked for without the tokens it needs", {}, {}, {}},
        IssueFailure::Delivery::not_sent, RetryClass::needed_token}));
  }
  // Kept until the answer is parsed: it must not repeat what is in here.
  auto asked = std::make_shared<const IssueRequest>(std::move(request));
  send(what_->kind.issue, asked, {},
       [what = what_, asked, done = std::move(done)](net::HttpOutcome outcome) {
         IssueOutcome parsed = parse_issue_response(what->title, what->kind, outcome, *asked);
         wipe_body(outcome);
         done(std::move(parsed));
       });
}

void DescribedIssuer::try_credentials(IssueRequest request, Done<Result<void>> done) {
  if (!what_->kind.trial) return Issuer::try_credentials(std::move(request), std::move(done));
  request.force = false;
  auto asked = std::make_shared<const IssueRequest>(std::move(request));
  send(*what_->kind.trial, asked, {},
       [what = what_, asked, done = std::move(done)](net::HttpOutcome outcome) {
         IssueOutcome parsed = parse_issue_response(what->title, what->kind, outcome, *asked);
         wipe_body(outcome);
         if (parsed) return done({});
         done(tl::unexpected(std::move(parsed.error().error)));
       });
}

bool DescribedIssuer::probe_needs_credentials() const noexcept {
  const auto& probe = what_->kind.probe;
  return probe &&
         (probe->call.basic || carries_a_credential(probe->call.query) ||
          carries_a_credential(probe->call.headers) || carries_a_credential(probe->call.body));
}

void DescribedIssuer::probe(IssueRequest request, const Secret& token, Done<ProbeResult> done) {
  if (!what_->kind.probe) return done(ProbeResult::unknown);
  send(what_->kind.probe->call, std::make_shared<const IssueRequest>(std::move(request)),
       token.clone(), [what = what_, done = std::move(done)](net::HttpOutcome outcome) {
         const ProbeResult result = parse_probe_response(what->kind, outcome);
         wipe_body(outcome);
         done(result);
       });
}

void DescribedIssuer::send(const Call& call, std::shared_ptr<const IssueRequest> asked,
                           Secret probed, Done<net::HttpOutcome> done) {
  std::make_shared<Attempt>(what_, call, std::move(asked), std::move(probed), client_.get(), clock_,
                            std::move(done))
      ->send();
}

}  // namespace hufu::platform
