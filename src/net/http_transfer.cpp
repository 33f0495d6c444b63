#include "net/http_transfer.hpp"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "net/http_failure.hpp"
#include "net/url_origin.hpp"

namespace hufu::net {
namespace {

constexpr std::size_t kLargestHead = 64 * 1024;
/// Servers drop idle connections after some seconds; one this old is not worth the risk of losing a
/// request on it.
constexpr long kOldestIdleConnection = 5;

bool starts_with_any_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && strncasecmp(text.data(), start.data(), start.size()) == 0;
}

/// A line break in a header would let its value write further headers.
bool fits_a_header(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// libcurl takes what follows a colon or a semicolon for something else than a name.
bool is_a_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c <= '~' && c != ':' && c != ';';
  });
}

/// Appends without leaving a copy behind in memory that was outgrown.
void append_wiping(std::string& text, std::string_view more) {
  if (text.size() + more.size() > text.capacity()) {
    std::string larger;
    larger.reserve(std::max(text.size() + more.size(), 2 * text.capacity()));
    larger.append(text);
    wipe(text);
    text.swap(larger);
  }
  text.append(more);
}

/// libcurl obeys SSLKEYLOGFILE, with which anybody who can set a variable reads all tokens. The
/// environment belongs to the program around us, so what libcurl installed is taken out again.
CURLcode forbid_key_log(CURL*, void* context, void*) {
  SSL_CTX_set_keylog_callback(static_cast<SSL_CTX*>(context), nullptr);
  return CURLE_OK;
}

}  // namespace

void prepare_libcurl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (once != CURLE_OK) std::abort();
}

HttpTransfer::HttpTransfer(const HttpClient::Options& options) : easy_(curl_easy_init()) {
  if (easy_ == nullptr) std::abort();
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_NOSIGNAL, 1L);
  // A look-up that outlasts its request would otherwise be waited for, and everybody else with it.
  // (The name says "exit", but it is about leaving the resolver's thread to itself.)
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, "hufu/" HUFU_VERSION);
  set(CURLOPT_MAXAGE_CONN, kOldestIdleConnection);
  set(CURLOPT_SSL_CTX_FUNCTION, &forbid_key_log);
  if (!options.authorities.empty()) set(CURLOPT_CAINFO, options.authorities.c_str());
  // What the request says is for the platform, not for the proxy, nor the proxy's answer for us.
  set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_PREREQFUNCTION, &HttpTransfer::on_connected);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(CURLOPT_WRITEDATA, this);
  // An older libcurl at run time than at build time: without these options nothing here holds.
  if (refusal_ != CURLE_OK) std::abort();
}

HttpTransfer::~HttpTransfer() { curl_easy_cleanup(easy_); }

bool HttpTransfer::load(HttpRequest request, Done<HttpOutcome> done, Milliseconds time_left,
                        bool own_connection) {
  request_ = std::move(request);
  done_ = std::move(done);
  refusal_ = CURLE_OK;
  response_ = {};
  head_size_ = 0;
  head_is_whole_ = false;
  connected_ = false;
  reused_connection_ = false;
  size_before_ = 0;
  error_[0] = '\0';

  set_destination(own_connection, time_left);
  set_content();
  if (!fits_a_header(request_.method) || !fits_a_header(request_.content_type) ||
      !fits_a_header(request_.authorization_scheme) ||
      !fits_a_header(request_.authorization.reveal()) ||
      !std::all_of(request_.headers.begin(), request_.headers.end(), [](const HttpHeader& each) {
        return is_a_header_name(each.name) && fits_a_header(each.value.reveal());
      })) {
    refusal_ = CURLE_BAD_FUNCTION_ARGUMENT;
  }
  if (refusal_ != CURLE_OK) finish(refusal_);
  return refusal_ == CURLE_OK;
}

void HttpTransfer::set_destination(bool own_connection, Milliseconds time_left) {
  std::string url(request_.url.reveal());
  set(CURLOPT_URL, url.c_str());
  if (!request_.proxy.empty()) {
    std::string proxy(request_.proxy.reveal());
    set(CURLOPT_PROXY, proxy.c_str());
    wipe(proxy);
    set(CURLOPT_NOPROXY, "");
  } else {
    // An empty name switches every proxy off, a null pointer leaves the choice to the environment.
    set(CURLOPT_PROXY, starts_with_any_case(url, "https:") ? nullptr : "");
    set(CURLOPT_NOPROXY, nullptr);
  }
  set(CURLOPT_HTTPPROXYTUNNEL, request_.proxy.empty() ? 0L : 1L);
  wipe(url);
  set(CURLOPT_FRESH_CONNECT, own_connection ? 1L : 0L);
  set(CURLOPT_FORBID_REUSE, own_connection ? 1L : 0L);
  set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(time_left.count())));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
}

void HttpTransfer::set_content() {
  if (request_.body.empty() && request_.method != "POST") {
    set(CURLOPT_HTTPGET, 1L);
  } else {
    set(CURLOPT_POST, 1L);
    // Not copied: the bytes stay where they are until the transfer has ended.
    set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.reveal().data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  }
  if (request_.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());

  if (!request_.body.empty()) add_header("Content-Type: ", request_.content_type);
  if (!request_.authorization.empty()) {
    add_header("Authorization: " + request_.authorization_scheme + " ",
               request_.authorization.reveal());
  }
  for (const auto& [name, value] : request_.headers) add_header(name + ": ", value.reveal());
  set(CURLOPT_HTTPHEADER, headers_);
}

void HttpTransfer::add_header(std::string_view name, std::string_view value) {
  std::string line;
  line.reserve(name.size() + value.size());
  line.append(name).append(value);
  headers_ = curl_slist_append(headers_, line.c_str());
  wipe(line);
}

void HttpTransfer::wipe_headers() {
  for (curl_slist* line = headers_; line != nullptr; line = line->next) {
    OPENSSL_cleanse(line->data, std::strlen(line->data));
  }
  curl_slist_free_all(std::exchange(headers_, nullptr));
}

void HttpTransfer::finish(CURLcode code, std::string because) {
  HttpOutcome outcome = outcome_of(code, std::move(because));
  wipe(response_.body);
  wipe_headers();
  request_ = {};
  // Cleared first: `done` may send the next request.
  std::exchange(done_, nullptr)(std::move(outcome));
}

HttpOutcome HttpTransfer::outcome_of(CURLcode code, std::string because) {
  if (because.empty() && answered(code)) {
    response_.status = static_cast<int>(status());
    return std::move(response_);
  }
  if (code == CURLE_OK) code = CURLE_PARTIAL_FILE;
  HttpFailure failure;
  if (because.empty()) {
    failure = explain_failure({.code = code,
                               .easy = easy_,
                               .words = error_,
                               .sent = was_sent(),
                               .host = host_of(request_.url.reveal()),
                               .timeout = request_.timeout,
                               .connect_timeout = request_.connect_timeout,
                               .largest_body = request_.largest_body});
  } else {
    failure.message = std::move(because);
  }
  failure.reach = was_sent() ? HttpFailure::Reach::lost : HttpFailure::Reach::not_sent;
  return tl::unexpected(std::move(failure));
}

/// To libcurl, a connection that is closed inside the head is an answer without a body.
bool HttpTransfer::answered(CURLcode code) const {
  return code == CURLE_OK && head_is_whole_ && status() >= 200;
}

long HttpTransfer::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

/// Bytes of requests that libcurl has handed to the socket, a proxy's CONNECT included.
long HttpTransfer::request_size() const {
  long size = 0;
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &size);
  return size;
}

/// Called with a connection ready to carry the request. A second time means that libcurl is about
/// to send it again on its own account, because a reused connection had died: it must not, the
/// first copy may have arrived.
int HttpTransfer::on_connected(void* self, char*, char*, int, int) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  if (std::exchange(transfer.connected_, true)) return CURL_PREREQFUNC_ABORT;
  transfer.size_before_ = transfer.request_size();
  long new_connections = 0;
  curl_easy_getinfo(transfer.easy_, CURLINFO_NUM_CONNECTS, &new_connections);
  transfer.reused_connection_ = new_connections == 0;
  return CURL_PREREQFUNC_OK;
}

std::size_t HttpTransfer::on_header(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  transfer.head_size_ += size;
  if (transfer.head_size_ > kLargestHead) return 0;
  std::string_view line(data, size);
  // An interim answer (1xx) starts a further head; the trailers of a chunked body do not.
  if (line.starts_with("HTTP/")) transfer.head_is_whole_ = false;
  if (line == "\r\n" || line == "\n") transfer.head_is_whole_ = true;
  auto take = [&](std::string_view name, std::string& into) {
    if (!starts_with_any_case(line, name)) return;
    line.remove_prefix(name.size());
    auto first = line.find_first_not_of(" \t\r\n");
    auto last = line.find_last_not_of(" \t\r\n");
    into = first == std::string_view::npos ? "" : line.substr(first, last - first + 1);
  };
  take("date:", transfer.response_.date);
  take("retry-after:", transfer.response_.retry_after);
  return size;
}

std::size_t HttpTransfer::on_body(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  std::string& body = transfer.response_.body;
  if (body.size() + size > transfer.request_.largest_body) return 0;
  append_wiping(body, {data, size});
  return size;
}

}  // namespace hufu::net
