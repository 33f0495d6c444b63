#include "sink/sink_worker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>

#include "testing/fake_clock.hpp"

namespace hufu::sink {
namespace {

using std::chrono::seconds;

TEST(CheckInterval, IsShorterThanThePromise) {
  EXPECT_EQ(check_interval(seconds(7000)), seconds(10));
  EXPECT_EQ(check_interval(seconds(30)), seconds(10));
  EXPECT_EQ(check_interval(seconds(6)), seconds(2));
  EXPECT_EQ(check_interval(seconds(1)), Milliseconds(333));
  EXPECT_EQ(check_interval(seconds(0)), Milliseconds(200));
}

TEST(RetryDelay, DoublesUpToTenSeconds) {
  EXPECT_EQ(retry_delay(1), seconds(1));
  EXPECT_EQ(retry_delay(2), seconds(2));
  EXPECT_EQ(retry_delay(4), seconds(8));
  EXPECT_EQ(retry_delay(5), seconds(10));
  EXPECT_EQ(retry_delay(1'000'000), seconds(10));
}

/// What happened, in order, for a test to wait for.
class EventLog {
 public:
  void add(std::string what) {
    std::lock_guard lock(mutex_);
    all_.push_back(std::move(what));
    changed_.notify_all();
  }
  /// The next one that was not asked for yet; "nothing" if none comes.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, seconds(20), [&] { return !all_.empty(); })) return "nothing";
    std::string first = std::move(all_.front());
    all_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> all_;
};

/// A sink that tells what is done to it, and can be made to fail or to hang.
class FakeSink final : public Sink {
 public:
  explicit FakeSink(EventLog& events) : events_(events) {}
  Result<void> put(const Grant& grant, SteadyTime) override {
    events_.add("put " + std::string(grant.token.reveal()));
    if (hang.valid()) std::exchange(hang, {}).wait();
    if (std::exchange(fail_next, false)) return fail(Fault::store, "it is full", "make room");
    return {};
  }
  Result<void> keep(const Grant& grant, SteadyTime) override {
    events_.add("keep " + std::string(grant.token.reveal()));
    return {};
  }
  Result<void> withdraw(const Secret& token) override {
    events_.add("withdraw " + std::string(token.reveal()));
    return {};
  }
  std::future<void> hang;
  bool fail_next = false;

 private:
  EventLog& events_;
};

class SinkWorkerTest : public ::testing::Test, public keeper::Observer {
 protected:
  SinkWorkerTest() : sink(new FakeSink(events)) {}
  /// Before the test is taken apart, which the worker tells of what it does.
  void TearDown() override { worker->stop(); }

  /// Returns when the worker has read once: what is published then, it does not know yet.
  void start(const Clock& clock = system_clock()) {
    SinkWorker::Target target;
    target.kind = "redis";
    target.entries.push_back({Key{"wx1"}, "redis there", std::unique_ptr<Sink>(sink)});
    worker = std::make_unique<SinkWorker>(
        std::move(target), [this](const Key& key) { return read(key); }, clock, *this);
    asked.get_future().wait();
  }
  /// What the keeper hands out from now on; empty: nothing. Tells the worker.
  void publish(const std::string& value) {
    {
      std::lock_guard lock(mutex);
      token = value;
    }
    worker->notify({"wx1"});
  }
  std::optional<Grant> read(const Key& key) {
    std::lock_guard lock(mutex);
    if (!std::exchange(was_asked, true)) asked.set_value();
    if (token.empty()) return std::nullopt;
    return Grant{key, Secret(std::string_view(token)), seconds(3600), {}, 1, {}, false};
  }
  void sink_written(std::string_view kind, keeper::SinkResult result) override {
    EXPECT_EQ(kind, "redis");
    events.add("counted " + std::string(name_of(result)));
  }
  void sink_changed(std::string_view place, const Error* why_not) override {
    events.add(std::string(place) + ": " + (why_not != nullptr ? why_not->message : "well"));
  }

  EventLog events;
  FakeSink* sink;  ///< The worker's, once it was started.
  std::promise<void> asked;
  std::mutex mutex;
  std::string token;
  bool was_asked = false;
  std::unique_ptr<SinkWorker> worker;
};

TEST_F(SinkWorkerTest, WritesWhatIsPromisedAlreadyWithoutANotification) {
  token = "A";
  start();
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted put");
}

TEST_F(SinkWorkerTest, WritesANewToken) {
  start();
  publish("A");
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted put");
  publish("B");
  EXPECT_EQ(events.next(), "put B");
}

TEST_F(SinkWorkerTest, KeepsATokenThatItHasPutBefore) {
  token = "A";
  start();
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted put");
  publish("A");  // Promised for longer, say.
  EXPECT_EQ(events.next(), "keep A");
  EXPECT_EQ(events.next(), "counted put");
}

TEST_F(SinkWorkerTest, IgnoresOtherKeys) {
  start();
  worker->notify({"wx2"});
  publish("A");
  EXPECT_EQ(events.next(), "put A");
}

TEST_F(SinkWorkerTest, WithdrawsATokenThatIsNotPromisedAnyMore) {
  token = "A";
  start();
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted put");
  publish("");
  EXPECT_EQ(events.next(), "withdraw A");
  EXPECT_EQ(events.next(), "counted withdrawn");
}

TEST_F(SinkWorkerTest, WithdrawsNothingBeforeTheFirstNotification) {
  start();
  publish("");
  EXPECT_EQ(events.next(), "withdraw ") << "of an earlier process, now that it has";
}

TEST_F(SinkWorkerTest, WritesOnlyTheNewestTokenAfterASlowWrite) {
  token = "A";
  std::promise<void> goes_on;
  sink->hang = goes_on.get_future();
  start();
  EXPECT_EQ(events.next(), "put A");
  for (const char* value : {"B", "C", "D"}) publish(value);  // Returns at once, each time.
  goes_on.set_value();
  EXPECT_EQ(events.next(), "counted put");
  EXPECT_EQ(events.next(), "put D");
}

TEST_F(SinkWorkerTest, ReportsAFailureOnceAndItsEnd) {
  token = "A";
  sink->fail_next = true;
  start();
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted failed");
  EXPECT_EQ(events.next(), "redis there: it is full");
  EXPECT_EQ(events.next(), "put A") << "tried again by itself";
  EXPECT_EQ(events.next(), "counted put");
  EXPECT_EQ(events.next(), "redis there: well");
}

TEST_F(SinkWorkerTest, WritesANewTokenBeforeARetryIsDue) {
  const hufu::testing::FakeClock standing;  // The next try never comes.
  token = "A";
  sink->fail_next = true;
  start(standing);
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted failed");
  EXPECT_EQ(events.next(), "redis there: it is full");
  publish("B");
  EXPECT_EQ(events.next(), "put B");
  worker->stop();  // Before its clock.
}

TEST_F(SinkWorkerTest, InterruptsABlockedWriteWithoutReportingAFailure) {
  token = "A";
  std::promise<void> goes_on;
  sink->hang = goes_on.get_future();
  sink->fail_next = true;
  SinkWorker::Target target;
  target.kind = "redis";
  target.entries.push_back({Key{"wx1"}, "redis there", std::unique_ptr<Sink>(sink)});
  target.interrupt = [&] { goes_on.set_value(); };
  worker = std::make_unique<SinkWorker>(
      std::move(target), [this](const Key& key) { return read(key); }, system_clock(), *this);
  EXPECT_EQ(events.next(), "put A");
  worker->stop();
  events.add("over");
  EXPECT_EQ(events.next(), "over");
}

TEST_F(SinkWorkerTest, FindsTheEntryOfAKeyWhenItIsNotifiedOfIt) {
  token = "A";
  int asked_for = 0;
  SinkWorker::Target target;
  target.kind = "redis";
  target.find_entry = [&](const Key& key) -> std::optional<SinkWorker::Entry> {
    ++asked_for;
    if (key.app != "wx1") return std::nullopt;
    return SinkWorker::Entry{key, "redis there", std::unique_ptr<Sink>(sink)};
  };
  worker = std::make_unique<SinkWorker>(
      std::move(target), [this](const Key& key) { return read(key); }, system_clock(), *this);
  worker->notify({"wx2"});
  worker->notify({"wx1"});
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted put");
  publish("B");
  EXPECT_EQ(events.next(), "put B");
  worker->drain();
  EXPECT_EQ(asked_for, 2) << "once for each key";
}

TEST_F(SinkWorkerTest, DrainsWhenEveryNotificationHasBeenTried) {
  start();
  sink->fail_next = true;
  publish("A");
  worker->drain();
  EXPECT_EQ(events.next(), "put A");
  EXPECT_EQ(events.next(), "counted failed");
  worker->stop();
  worker->drain();  // Returns.
}

}  // namespace
}  // namespace hufu::sink
