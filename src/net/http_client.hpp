#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu::net {

/// Enough for any token.
inline constexpr std::size_t kLargestBody = 64 * 1024;

/// One request. URL and body are secrets because they carry them; neither is ever logged.
struct HttpRequest {
  std::string method = "GET";
  Secret url;                ///< Absolute, http or https.
  Secret body;               ///< Sent when not empty.
  std::string content_type;  ///< Of the body.
  Secret authorization;      ///< Sent as `Authorization: Bearer …` when not empty.
  Milliseconds timeout = std::chrono::seconds(8);  ///< For everything, from `send` to last byte.
  std::size_t largest_body = kLargestBody;         ///< Of the response; a longer one is `lost`.
};

struct HttpResponse {
  int status = 0;
  std::string body;  ///< At most `HttpRequest::largest_body` bytes. May hold a token: wipe it.
  std::string date;  ///< The `Date` header as sent; empty if there was none.
  std::string retry_after;
};

/// Why there is no response. `message` is a sentence that holds neither URL nor body; it may name
/// the host.
struct HttpFailure {
  enum class Reach {
    not_sent,  ///< Not a byte of the request left: no name, no connection, no TLS session.
    lost,      ///< It left, in part or whole, and the answer did not come back whole.
  };
  Reach reach = Reach::not_sent;
  std::string message;
};

using HttpOutcome = tl::expected<HttpResponse, HttpFailure>;

/// Outgoing HTTP/1.1 over libcurl. Each request is tried exactly once, not even libcurl's own
/// silent second try on a connection that had died takes place; redirects are not followed.
///
/// Certificates are verified against the system's authorities. An https request goes through the
/// proxy that HTTPS_PROXY or ALL_PROXY name (unless NO_PROXY names its host): the proxy learns the
/// host and nothing else. A plain http request never uses a proxy, which would read the secrets in
/// it.
///
/// At most 256 requests are on their way at once; those beyond wait, the one with the earliest end
/// first, and their waiting counts as part of their time-out.
///
/// What is handed in is wiped when it is done with; what libcurl and the TLS library copy is not.
///
/// Thread-safety: `send` may be called from any thread, also from inside a `done`, and returns at
/// once; `done` is called exactly once on the client's own thread, must be quick and must not
/// throw. The destructor ends what is in flight (as `lost` or `not_sent`) and returns when every
/// `done` has been called; it must not run inside one.
class HttpClient {
 public:
  /// What is read of a response unless the request says otherwise.
  static constexpr std::size_t kLargestBody = net::kLargestBody;

  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void send(HttpRequest request, Done<HttpOutcome> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::net
