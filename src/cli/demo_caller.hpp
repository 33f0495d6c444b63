#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "hufu/clock.hpp"
#include "hufu/secret.hpp"
#include "net/http_client.hpp"

namespace hufu::cli {

/// A business server in miniature, for `hufu dev`: again and again it asks Hufu for the token,
/// makes one call to the platform with it, and logs one line about what became of that. A token
/// that the platform refuses it reports, as a good client does.
class DemoCaller {
 public:
  struct Place {
    std::string server;    ///< "http://127.0.0.1:7200"
    std::string platform;  ///< "http://127.0.0.1:7201"
    std::string app;
    Secret key;  ///< Of the server; with the rights to read and to report.
  };

  /// Begins to call, `every` so often in real time.
  DemoCaller(Place place, Milliseconds every);
  /// Returns when the call in flight has ended.
  ~DemoCaller();
  DemoCaller(const DemoCaller&) = delete;
  DemoCaller& operator=(const DemoCaller&) = delete;

 private:
  void call_again_and_again(const std::stop_token& stop);
  void call_once();
  void report(const Secret& token);
  net::HttpOutcome ask_server(std::string method, std::string_view path, Secret body);
  net::HttpOutcome send(net::HttpRequest request);

  const Place place_;
  const Milliseconds every_;
  net::HttpClient client_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace hufu::cli
