#pragma once

#include <string>
#include <vector>

#include "cli/backend.hpp"
#include "hufu/secret.hpp"
#include "net/http_client.hpp"

namespace hufu::cli {

/// A running server, asked over /v1. Its problems (RFC 9457) become the errors they were made from;
/// a server that does not answer is Fault::unreachable.
class Remote final : public Backend {
 public:
  explicit Remote(Server server) : server_(std::move(server)) {}

  Result<Grant> get(const Key& key, std::chrono::seconds min_ttl) override;
  Result<Report> report(const Key& key, const Secret& refused) override;
  Result<keeper::Refreshed> refresh(const Key& key) override;
  Result<keeper::Status> status() override;
  Result<std::vector<keeper::AppInfo>> apps() override;
  Result<keeper::AppInfo> app(const std::string& id) override;
  /// Fault::usage where the secret would travel in the clear.
  Result<bool> put_app(AppConfig app) override;
  Result<void> remove_app(const std::string& id) override;
  Result<Trial> try_app(const std::string& id) override;
  /// From the status, which a key that may only read is allowed to see.
  Result<std::vector<std::string>> first_apps() override;

 private:
  /// The answer to a request that succeeded.
  Result<net::HttpResponse> ask(std::string method, std::string_view path, Secret body = {});

  Result<keeper::Status> status_page(const std::string& after);

  Server server_;
  net::HttpClient client_;
};

/// What a problem of the server says: `code` where it is known, else what the HTTP status says.
Error error_from(const net::HttpResponse& response);

}  // namespace hufu::cli
