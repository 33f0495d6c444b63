#include "server/server.hpp"

#include <future>
#include <mutex>
#include <utility>
#include <vector>

#include "server/route.hpp"
#include "server/routes.hpp"

namespace hufu::server {

/// Brings the keys from the registry into the table, one reading at a time: two at once could end
/// in the wrong order, and an older answer would bring a revoked key back.
class Server::KeyReader : public std::enable_shared_from_this<KeyReader> {
 public:
  KeyReader(std::shared_ptr<store::Registry> registry, std::shared_ptr<Services> services)
      : registry_(std::move(registry)), services_(std::move(services)) {}

  void read(Done<Result<void>> done) {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(done));
      if (reading_) return;  // That reading may have begun too early: another one follows it.
      reading_ = true;
    }
    read_once();
  }

 private:
  void read_once() {
    std::vector<Done<Result<void>>> served;
    {
      std::lock_guard lock(mutex_);
      served.swap(waiting_);
    }
    registry_->list_keys([self = shared_from_this(),
                          served = std::move(served)](Result<std::vector<store::ApiKeyRow>> rows) {
      Result<void> outcome;
      if (rows) {
        self->services_->keys.reload(*std::move(rows));
        self->services_->keeper.interrupt_waits();  // Whoever waits is judged by the new keys.
      } else {
        outcome = tl::unexpected<Error>(rows.error());
      }
      for (const Done<Result<void>>& done : served) done(outcome);
      self->go_on();
    });
  }

  void go_on() {
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        reading_ = false;
        return;
      }
    }
    read_once();
  }

  std::shared_ptr<store::Registry> registry_;
  std::shared_ptr<Services> services_;
  std::mutex mutex_;
  bool reading_ = false;
  std::vector<Done<Result<void>>> waiting_;
};

Server::Server() = default;
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Options options, keeper::AsyncKeeper& keeper,
                                              std::shared_ptr<store::Registry> registry,
                                              const Clock& clock) {
  auto services = std::make_shared<Services>(
      keeper, clock,
      Services::About{std::move(options.version), std::move(options.base_path),
                      std::move(options.counters), std::move(options.catalog),
                      std::move(options.log_lines_dropped)});
  std::unique_ptr<Server> server(new Server);
  server->key_reader_ = std::make_shared<KeyReader>(std::move(registry), services);

  std::promise<Result<void>> read;
  server->reload_keys([&read](Result<void> outcome) { read.set_value(std::move(outcome)); });
  if (Result<void> outcome = read.get_future().get(); !outcome) {
    return tl::unexpected<Error>(std::move(outcome.error()));
  }

  server->routes_ = std::make_unique<Routes>(services);
  auto http = net::HttpServer::start({std::move(options.listen), options.threads, options.limits},
                                     *server->routes_);
  if (!http) return tl::unexpected<Error>(std::move(http.error()));
  server->http_ = *std::move(http);
  return server;
}

const std::string& Server::address() const noexcept { return http_->address(); }

void Server::reload_keys(Done<Result<void>> done) { key_reader_->read(std::move(done)); }

void Server::stop(Milliseconds timeout, Milliseconds drain) { http_->stop(timeout, drain); }

}  // namespace hufu::server
