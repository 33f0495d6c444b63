#include "sink/sinks.hpp"

#include <map>
#include <string>
#include <utility>

#include "net/redis/redis_uri.hpp"
#include "sink/file_sink.hpp"
#include "sink/layout.hpp"
#include "sink/redis_sink.hpp"

namespace hufu::sink {
namespace {

/// "127.0.0.1:6379", or the primary that Sentinels know.
std::string name_of(const net::RedisUri& uri) {
  return uri.primary.empty() ? uri.hosts.front().text() : uri.primary;
}

/// Takes the sinks of a configuration, one by one, and groups them by target.
class TargetBuilder {
 public:
  explicit TargetBuilder(const Clock& clock) : clock_(clock) { files_.kind = "file"; }

  Result<void> add(const AppConfig& app, const SinkConfig& sink, std::string_view main_kind) {
    for (const std::string& kind : kinds_of(sink, app, main_kind)) {
      auto added = sink.file.empty() ? add_redis(app, sink, kind) : add_file(app, sink, kind);
      if (!added) return added;
    }
    return {};
  }

  std::vector<SinkWorker::Target> targets() && {
    std::vector<SinkWorker::Target> all;
    if (!files_.entries.empty()) all.push_back(std::move(files_));
    for (Redis& redis : redis_) all.push_back(std::move(redis.target));
    return all;
  }

 private:
  struct Redis {
    const SinkConfig* named_by;
    std::shared_ptr<RedisTarget> server;
    SinkWorker::Target target;
  };

  Result<void> add_file(const AppConfig& app, const SinkConfig& sink, const std::string& kind) {
    const Format format = sink.format == "json" ? Format::object : Format::raw;
    files_.entries.push_back(
        {Key{app.id, kind}, "file " + sink.file, std::make_unique<FileSink>(sink.file, format)});
    return {};
  }

  Result<void> add_redis(const AppConfig& app, const SinkConfig& sink, const std::string& kind) {
    auto layout = layout_of(sink, app, kind);
    if (!layout) return tl::unexpected(std::move(layout.error()));
    auto uri = net::RedisUri::parse(sink.redis, sink.password);
    if (!uri) return tl::unexpected(std::move(uri.error()));
    std::string place = "redis " + name_of(*uri) + " " + layout->keys.front();
    Redis& redis = redis_of(sink, std::move(*uri));
    redis.target.entries.push_back({Key{app.id, kind}, std::move(place),
                                    std::make_unique<RedisSink>(redis.server, std::move(*layout))});
    return {};
  }

  /// The one at the same address, with the same login.
  Redis& redis_of(const SinkConfig& sink, net::RedisUri uri) {
    for (Redis& redis : redis_) {
      const SinkConfig& other = *redis.named_by;
      if (other.redis == sink.redis && other.password.same_as(sink.password.reveal())) return redis;
    }
    auto server = std::make_shared<RedisTarget>(std::move(uri), clock_);
    SinkWorker::Target target;
    target.kind = "redis";
    target.interrupt = [server] { server->interrupt(); };
    return redis_.emplace_back(Redis{&sink, std::move(server), std::move(target)});
  }

  const Clock& clock_;
  SinkWorker::Target files_;
  std::vector<Redis> redis_;
};

}  // namespace

Result<void> Sinks::prepare(const std::vector<AppConfig>& apps, const MainKindOf& main_kind_of) {
  TargetBuilder builder(clock_);
  for (const AppConfig& app : apps) {
    for (const SinkConfig& sink : app.sinks) {
      if (auto added = builder.add(app, sink, main_kind_of(app.platform)); !added) {
        added.error().message = "a sink of app " + app.id + ": " + added.error().message;
        return added;
      }
    }
  }
  prepared_ = std::move(builder).targets();
  return {};
}

void Sinks::start(const ReadToken& read) {
  Workers before;
  {
    std::lock_guard lock(mutex_);
    before.swap(workers_);
  }
  for (auto& worker : before) worker->stop();
  Workers workers;
  for (SinkWorker::Target& target : std::exchange(prepared_, {})) {
    workers.push_back(std::make_shared<SinkWorker>(std::move(target), read, clock_, observer_));
  }
  std::lock_guard lock(mutex_);
  workers_ = std::move(workers);
}

void Sinks::start_legacy_documents(std::shared_ptr<LegacyDocumentTarget> target,
                                   FindLegacyName find_name, const ReadToken& read) {
  SinkWorker::Target documents;
  documents.kind = "mongodb";
  documents.find_entry = [target, find_name = std::move(find_name)](
                             const Key& key) -> std::optional<SinkWorker::Entry> {
    if (key.kind != kAccessToken) return std::nullopt;
    const auto name = find_name(key.app);
    if (!name) return std::nullopt;
    return SinkWorker::Entry{key, "mongodb " + name->collection + " " + name->name,
                             std::make_unique<LegacyDocumentSink>(target, find_name)};
  };
  documents.interrupt = [target] { target->interrupt(); };
  auto worker = std::make_shared<SinkWorker>(std::move(documents), read, clock_, observer_);
  std::lock_guard lock(mutex_);
  legacy_documents_ = std::move(worker);
}

Sinks::Workers Sinks::workers() {
  std::lock_guard lock(mutex_);
  Workers all = workers_;
  if (legacy_documents_) all.push_back(legacy_documents_);
  return all;
}

void Sinks::drain() {
  for (const auto& worker : workers()) worker->drain();
}

void Sinks::stop() {
  for (const auto& worker : workers()) worker->stop();
  std::lock_guard lock(mutex_);
  workers_.clear();
  legacy_documents_.reset();
}

void Sinks::changed(const Key& key) {
  std::lock_guard lock(mutex_);
  for (const auto& worker : workers_) worker->notify(key);
  if (legacy_documents_) legacy_documents_->notify(key);
}

}  // namespace hufu::sink
