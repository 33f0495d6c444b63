#include "store/redis/redis_feed.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace hufu::store {
namespace {

/// The longest for which silence is taken for news.
constexpr Milliseconds kTrust = std::chrono::seconds(3);
/// After so much silence the server is asked whether it is still there.
constexpr Milliseconds kQuiet = std::chrono::seconds(3);
constexpr Milliseconds kFirstPause = std::chrono::milliseconds(100);
constexpr Milliseconds kLongestPause = std::chrono::seconds(2);

}  // namespace

RedisFeed::RedisFeed(const net::RedisUri& uri, std::string channel, net::RedisPatience patience,
                     const Clock& clock, std::shared_ptr<ChangeSignal> signal)
    : uri_(uri),
      channel_(std::move(channel)),
      patience_(patience),
      clock_(clock),
      signal_(std::move(signal)) {}

RedisFeed::~RedisFeed() {
  end_.raise();
  if (thread_.joinable()) thread_.join();
}

bool RedisFeed::is_present(const std::string& cursor) const {
  if (!listening_ || cursor.empty()) return false;
  std::lock_guard lock(mutex_);
  return cursor == seen_cursor_ && signal_->count() == seen_count_ &&
         clock_.steady() - seen_at_ < kTrust;
}

std::uint64_t RedisFeed::about_to_look() {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { listen(); });
  return signal_->count();
}

void RedisFeed::saw(const std::string& cursor, std::uint64_t notified) {
  std::lock_guard lock(mutex_);
  seen_cursor_ = cursor;
  seen_count_ = notified;
  seen_at_ = clock_.steady();
}

void RedisFeed::listen() {
  Milliseconds pause = kFirstPause;
  while (!end_.raised()) {
    const std::uint64_t before = signal_->count();
    listen_until_failure();
    listening_ = false;
    pause = signal_->count() != before ? kFirstPause : std::min(pause * 2, kLongestPause);
    if (end_.raised(pause)) return;
  }
}

void RedisFeed::listen_until_failure() {
  const std::array<std::string_view, 1> channels = {channel_};
  auto subscription = net::RedisSubscription::open(uri_, channels, patience_, &end_);
  if (!subscription) return;
  // What was told before we listened, nobody heard.
  signal_->notify();
  listening_ = true;
  while (!end_.raised()) {
    auto message = (*subscription)->next(kQuiet);
    if (!message) return;
    if (*message) signal_->notify();
  }
}

}  // namespace hufu::store
