#pragma once

#include <curl/curl.h>

#include <string>

#include "net/http_client.hpp"

namespace hufu::net {

/// A request that libcurl could not carry out.
struct FailedTransfer {
  CURLcode code;
  CURL* easy;
  const char* words;  ///< libcurl's own; they may quote the URL.
  bool sent;
  std::string host;
  Milliseconds timeout;
  Milliseconds connect_timeout;
  std::size_t largest_body;
};

/// Cause, message and next step, in words that hold neither URL nor body. `reach` is left as it is.
HttpFailure explain_failure(const FailedTransfer& transfer);

}  // namespace hufu::net
