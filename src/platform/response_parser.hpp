#pragma once

#include <string_view>

#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// What became of a call for a token. `title` names the platform in messages.
///
/// | what came back                                   | delivery   | retry class               |
/// |--------------------------------------------------|------------|---------------------------|
/// | no connection                                    | not_sent   | backoff                   |
/// | a broken or late answer, HTTP 5xx, 408 or 1xx    | lost       | backoff                   |
/// | HTTP 5xx with an error code, where it is believed | lost      | as described              |
/// | HTTP 3xx                                         | answered   | backoff                   |
/// | HTTP 2xx or 4xx with an error code               | answered   | as described              |
/// | HTTP 4xx without one                             | answered   | backoff; 429: next_minute |
/// | HTTP 2xx, not a JSON object                      | lost       | backoff                   |
/// | HTTP 2xx, success without sane token or lifetime | lost       | backoff                   |
///
/// A 4xx means that the request was turned down before it was carried out (RFC 9110, 15.5), be it
/// by a proxy or by a wrong base URL. Only 408 is not believed: intermediaries send it when they
/// have lost patience with the platform. A success that makes no sense is `lost` because it was
/// carried out: the platform may have displaced the token before.
///
/// `asked` is what the call was filled in with: none of its secrets, and no token in the answer,
/// gets into an Error, even if the platform repeats it.
IssueOutcome parse_issue_response(std::string_view title, const KindDescription& kind,
                                  const net::HttpOutcome& outcome, const IssueRequest& asked);

/// What the probe of `kind` says about its token.
ProbeResult parse_probe_response(const KindDescription& kind, const net::HttpOutcome& outcome);

}  // namespace hufu::platform
