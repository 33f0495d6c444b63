#include "net/http_failure.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <ctime>

namespace hufu::net {
namespace {

using Cause = HttpFailure::Cause;

HttpFailure failure(Cause cause, std::string message, std::string next_step = {}) {
  return {HttpFailure::Reach::not_sent, std::move(message), cause, std::move(next_step)};
}

/// libcurl's words, where they were read and found to name nothing but hosts, ports and
/// certificates; others quote what they stumbled over.
std::string harmless_words(const FailedTransfer& transfer) {
  return transfer.words[0] != '\0' ? transfer.words : curl_easy_strerror(transfer.code);
}

std::string clock_here() {
  return fmt::format("the clock of this machine ({:%Y-%m-%d %H:%M} UTC)",
                     fmt::gmtime(std::time(nullptr)));
}

HttpFailure explain_certificate(const FailedTransfer& transfer) {
  long verdict = X509_V_OK;
  curl_easy_getinfo(transfer.easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
  const std::string certificate = "the certificate of " + transfer.host;
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return failure(Cause::certificate_expired,
                     certificate + " has expired, unless " + clock_here() + " is wrong",
                     "Compare this machine's clock with another one; if it is right, " +
                         transfer.host + " needs a new certificate");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return failure(Cause::certificate_not_yet_valid,
                     certificate + " is not valid yet, so " + clock_here() + " may be wrong",
                     "Set this machine's clock, and keep it right by NTP");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return failure(Cause::certificate_untrusted,
                     certificate + " is from an authority that this machine does not trust: " +
                         X509_verify_cert_error_string(verdict),
                     "Install or update ca-certificates; where a proxy opens TLS connections, add "
                     "its authority to them");
    // libcurl compares the host itself, after OpenSSL found no fault.
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:
      return failure(Cause::certificate_wrong_host, certificate + " is one for another host",
                     "Check the address, and which machine its name leads to: another one answers");
    default: return failure(Cause::tls, harmless_words(transfer));
  }
}

HttpFailure explain_timeout(const FailedTransfer& transfer) {
  if (transfer.sent) {
    return failure(Cause::timeout, fmt::format("no answer within {} ms", transfer.timeout.count()));
  }
  const bool sooner =
      transfer.connect_timeout.count() > 0 && transfer.connect_timeout < transfer.timeout;
  return failure(Cause::timeout,
                 fmt::format("no connection within {} ms",
                             (sooner ? transfer.connect_timeout : transfer.timeout).count()),
                 "Check the network, the firewall and the proxy");
}

HttpFailure explain_broken_connection(const FailedTransfer& transfer) {
  long proxy_status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  if (!transfer.sent && proxy_status >= 300) {
    return failure(Cause::proxy,
                   fmt::format("the proxy lets nothing through to {}: it answers {}", transfer.host,
                               proxy_status),
                   proxy_status == 407 ? "Give the proxy's user and password in its URL"
                                       : "Let the proxy allow this host, or do without the proxy");
  }
  return failure(Cause::connection, "the connection broke before the answer came");
}

}  // namespace

HttpFailure explain_failure(const FailedTransfer& transfer) {
  switch (transfer.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return failure(Cause::name, harmless_words(transfer),
                     "Check the name servers of this machine (/etc/resolv.conf) and the address");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return failure(Cause::proxy, curl_easy_strerror(transfer.code), "Check the proxy's address");
    case CURLE_COULDNT_CONNECT:
      return failure(Cause::connection, harmless_words(transfer),
                     "Check the network, the firewall and the address");
    case CURLE_SSL_CONNECT_ERROR: return failure(Cause::tls, harmless_words(transfer));
    case CURLE_PEER_FAILED_VERIFICATION: return explain_certificate(transfer);
    case CURLE_OPERATION_TIMEDOUT: return explain_timeout(transfer);
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return explain_broken_connection(transfer);
    case CURLE_PARTIAL_FILE: return failure(Cause::answer, "the answer was cut short");
    case CURLE_WRITE_ERROR:
      return failure(Cause::answer,
                     fmt::format("the answer is larger than {} KiB", transfer.largest_body / 1024));
    case CURLE_WEIRD_SERVER_REPLY: return failure(Cause::answer, "the answer is not HTTP");
    case CURLE_UNSUPPORTED_PROTOCOL:
      return transfer.sent ? failure(Cause::answer, "the answer is not HTTP")
                           : failure(Cause::request, "only http and https addresses are called");
    case CURLE_URL_MALFORMAT: return failure(Cause::request, "the address cannot be read");
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return failure(Cause::request, "the request cannot be written as HTTP");
    default: return failure(Cause::other, curl_easy_strerror(transfer.code));
  }
}

}  // namespace hufu::net
