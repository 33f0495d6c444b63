#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "hufu/store.hpp"

namespace hufu::net {

/// Enough for any token.
inline constexpr std::size_t kLargestBody = 64 * 1024;

struct HttpHeader {
  std::string name;
  Secret value;
};

/// One request. URL, headers, body and proxy are secrets because they carry them; none is ever
/// logged.
struct HttpRequest {
  std::string method = "GET";
  Secret url;                ///< Absolute, http or https.
  Secret body;               ///< Sent when not empty.
  std::string content_type;  ///< Of the body.
  Secret authorization;      ///< Sent as `Authorization: SCHEME …` when not empty.
  std::string authorization_scheme = "Bearer";
  std::vector<HttpHeader> headers{};  ///< Further ones; one without a value is not sent.
  Milliseconds timeout = std::chrono::seconds(8);  ///< For everything, from `send` to last byte.
  /// For the connection alone, TLS included; 0: as long as `timeout`. What leaves a caller time to
  /// try another host: nothing was sent when this is over.
  Milliseconds connect_timeout{0};
  std::size_t largest_body = kLargestBody;  ///< Of the response; a longer one is `lost`.
  /// "http://[USER:PASSWORD@]HOST:PORT", used whatever the environment says; empty: see HttpClient.
  Secret proxy;
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
  enum class Cause {
    other,
    name,                       ///< The host name cannot be resolved.
    connection,                 ///< Refused, unreachable, or broken before the answer came.
    timeout,                    ///< No connection, or no answer, in time.
    proxy,                      ///< The proxy did not let the connection through.
    certificate_expired,        ///< Or this machine's clock is ahead.
    certificate_not_yet_valid,  ///< Or this machine's clock is behind.
    certificate_untrusted,      ///< Issued by an authority that this machine does not know.
    certificate_wrong_host,     ///< Issued for another host.
    tls,                        ///< Any other reason why there is no TLS session.
    answer,                     ///< What came is not HTTP, too large or cut short.
    request,                    ///< It cannot be written as HTTP.
  };
  Reach reach = Reach::not_sent;
  std::string message;
  Cause cause = Cause::other;
  std::string next_step{};  ///< What a person can do about the cause.
};

using HttpOutcome = tl::expected<HttpResponse, HttpFailure>;

/// Outgoing HTTP/1.1 over libcurl. Each request is tried exactly once, not even libcurl's own
/// silent second try on a connection that had died takes place; redirects are not followed. Whoever
/// has several hosts for one request tries the next one when it was `not_sent`.
///
/// Connections are kept for the next request to the same host, but not trusted blindly: after a
/// request has failed on a connection that was used before, requests to that host get a new
/// connection each, for `Options::reuse_pause`. (Some servers and firewalls answer the first
/// request of a connection and drop the others.) The pause doubles, up to an hour, while reuse goes
/// on to fail.
///
/// Certificates are verified against the system's authorities. Session keys are never written to
/// SSLKEYLOGFILE. A request goes through `HttpRequest::proxy` where one is set; else an https
/// request goes through the proxy that HTTPS_PROXY or ALL_PROXY name (unless NO_PROXY names its
/// host), and a plain http request through none. It is a tunnel in either case: the proxy learns
/// the host and nothing else of an https request.
///
/// A bounded number of requests is on its way to one host, and in all, so that a host that hangs
/// delays nobody but itself. Those beyond wait, the one with the earliest end first, and their
/// waiting counts as part of their time-out.
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

  struct Options {
    std::size_t most_per_host = 256;  ///< Requests on their way to one scheme, host and port.
    std::size_t most_in_all = 2048;
    Milliseconds reuse_pause = std::chrono::minutes(1);
    std::string authorities{};  ///< A PEM file to trust instead of the system's; empty: those.
  };

  HttpClient() : HttpClient(Options()) {}
  explicit HttpClient(Options options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void send(HttpRequest request, Done<HttpOutcome> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::net
