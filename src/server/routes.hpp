#pragma once

#include <memory>
#include <string>

#include "net/http_server.hpp"
#include "server/route.hpp"

namespace hufu::server {

/// Finds the route of a request, asks for the key it wants, and lets it answer.
///
/// Thread-safety: `handle` may be called from any thread.
class Routes final : public net::Handler {
 public:
  /// `base_path` ("" or "/wechat") stands before every path of the table.
  Routes(std::shared_ptr<Services> services, std::string base_path);
  void handle(const net::Request& request, net::Exchange& exchange) override;

 private:
  std::shared_ptr<Services> services_;
  std::string base_path_;
};

}  // namespace hufu::server
