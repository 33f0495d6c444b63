#pragma once

#include <memory>

#include "net/http_server.hpp"
#include "server/route.hpp"

namespace hufu::server {

/// Finds the route of a request, asks for the key it wants, and lets it answer.
///
/// Thread-safety: `handle` may be called from any thread.
class Routes final : public net::Handler {
 public:
  explicit Routes(std::shared_ptr<Services> services) : services_(std::move(services)) {}
  void handle(const net::Request& request, net::Exchange& exchange) override;

 private:
  std::shared_ptr<Services> services_;
};

}  // namespace hufu::server
