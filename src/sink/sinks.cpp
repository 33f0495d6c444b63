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

  Result<void> add(const AppConfig& app, const SinkConfig& sink) {
    for (const std::string& kind : kinds_of(sink, app)) {
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

Result<void> Sinks::prepare(const std::vector<AppConfig>& apps) {
  TargetBuilder builder(clock_);
  for (const AppConfig& app : apps) {
    for (const SinkConfig& sink : app.sinks) {
      if (auto added = builder.add(app, sink); !added) {
        added.error().message = "a sink of app " + app.id + ": " + added.error().message;
        return added;
      }
    }
  }
  prepared_ = std::move(builder).targets();
  return {};
}

void Sinks::begin(const ReadToken& read) {
  end();
  std::vector<std::unique_ptr<SinkWorker>> workers;
  for (SinkWorker::Target& target : prepared_) {
    workers.push_back(std::make_unique<SinkWorker>(std::move(target), read, clock_, observer_));
  }
  prepared_.clear();
  std::lock_guard lock(mutex_);
  workers_ = std::move(workers);
}

void Sinks::end() {
  std::vector<std::unique_ptr<SinkWorker>> before;
  {
    std::lock_guard lock(mutex_);
    before = std::exchange(workers_, {});
  }
  for (auto& worker : before) worker->end();
}

void Sinks::changed(const Key& key) {
  std::lock_guard lock(mutex_);
  for (auto& worker : workers_) worker->notify(key);
}

}  // namespace hufu::sink
