#include "cli/service.hpp"

#include <utility>

#include "cli/process_setup.hpp"

namespace hufu::cli {

Result<std::unique_ptr<Service>> Service::open(Config config, std::string version,
                                               const Clock* clock,
                                               std::function<std::uint64_t()> log_lines_dropped) {
  server::Server::Options options;
  options.base_path = config.base_path;
  options.threads = config.threads > 0 ? config.threads : usable_cores();
  options.limits = config.limits;
  options.version = std::move(version);
  options.catalog = platform::Catalog(config);
  options.log_lines_dropped = std::move(log_lines_dropped);
  std::unique_ptr<Service> service(new Service(std::move(options)));
  service->options_.counters = service->counters_;

  library::Surroundings surroundings;
  surroundings.clock = clock;
  surroundings.observer = &service->observers_;
  surroundings.version = service->options_.version;
  auto assembly = library::Assembly::build(std::move(config), surroundings);
  if (!assembly) return tl::unexpected(std::move(assembly.error()));
  service->assembly_ = *std::move(assembly);
  return service;
}

Result<void> Service::start(const std::string& listen, Done<Result<void>> done) {
  options_.listen = listen;
  auto server = server::Server::start(options_, assembly_->keeper(), assembly_->registry(),
                                      assembly_->clock());
  if (!server) return tl::unexpected(std::move(server.error()));
  server_ = *std::move(server);
  // Before the keeper runs: the first change of keys may be the first thing it tells.
  key_watch_.begin([this](Done<Result<void>> read) { server_->reload_keys(std::move(read)); });
  assembly_->set_address(server_->address());
  assembly_->start(std::move(done));
  return {};
}

void Service::stop(Milliseconds timeout, Milliseconds drain) {
  if (server_) {
    assembly_->keeper().end_waits();
    server_->stop(timeout, drain);
  }
  key_watch_.end();
  server_.reset();
  assembly_.reset();
}

Service::~Service() { stop(Milliseconds(0)); }

}  // namespace hufu::cli
