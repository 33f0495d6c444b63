#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "net/http_client.hpp"

namespace hufu::net {

/// Before anything else of libcurl is used.
void prepare_libcurl();

/// One request on its way, around an easy handle that outlives it and is used again. What libcurl
/// must not do on its own account is switched off here.
///
/// Thread-safety: none; belongs to the thread that drives the handle.
class HttpTransfer {
 public:
  explicit HttpTransfer(const HttpClient::Options& options);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  /// Makes the handle ready to go. `time_left` is what is left of the request's time-out;
  /// `own_connection`: neither takes a connection that was used before nor leaves one to others.
  /// False, after `done` was called, if the request cannot be sent.
  bool load(HttpRequest request, Done<HttpOutcome> done, Milliseconds time_left,
            bool own_connection);
  /// Ends the request and calls its `done`. An empty `because` means: judge by `code`.
  void finish(CURLcode code, std::string because = {});

  /// Whether a whole answer has come, now that libcurl has ended with `code`.
  [[nodiscard]] bool answered(CURLcode code) const;
  [[nodiscard]] CURL* handle() const { return easy_; }
  [[nodiscard]] bool busy() const { return done_ != nullptr; }
  /// Whether the request went out on a connection that an earlier one had used.
  [[nodiscard]] bool reused_connection() const { return reused_connection_; }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    CURLcode code = curl_easy_setopt(easy_, option, value);
    if (code != CURLE_OK) refusal_ = code;
  }
  void set_destination(bool own_connection, Milliseconds time_left);
  void set_content();
  void add_header(std::string_view name, std::string_view value);
  void wipe_headers();
  HttpOutcome outcome_of(CURLcode code, std::string because);

  [[nodiscard]] long status() const;
  [[nodiscard]] long request_size() const;
  [[nodiscard]] bool was_sent() const { return connected_ && request_size() > size_before_; }

  static int on_connected(void* self, char*, char*, int, int);
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self);

  CURL* easy_;
  HttpRequest request_;
  Done<HttpOutcome> done_;
  HttpResponse response_;
  CURLcode refusal_ = CURLE_OK;
  curl_slist* headers_ = nullptr;
  std::size_t head_size_ = 0;
  bool head_is_whole_ = false;
  bool connected_ = false;
  bool reused_connection_ = false;
  long size_before_ = 0;  ///< `request_size` before the request itself.
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace hufu::net
