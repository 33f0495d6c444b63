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

TEST(NextLook, ComesBeforeWhatStandsThereEnds) {
  EXPECT_EQ(until_next_look(seconds(7000)), seconds(10));
  EXPECT_EQ(until_next_look(seconds(30)), seconds(10));
  EXPECT_EQ(until_next_look(seconds(6)), seconds(2));
  EXPECT_EQ(until_next_look(seconds(1)), Milliseconds(333));
  EXPECT_EQ(until_next_look(seconds(0)), Milliseconds(200));
}

TEST(NextTry, WaitsLongerEachTimeButNeverLong) {
  EXPECT_EQ(until_next_try(1), seconds(1));
  EXPECT_EQ(until_next_try(2), seconds(2));
  EXPECT_EQ(until_next_try(4), seconds(8));
  EXPECT_EQ(until_next_try(5), seconds(10));
  EXPECT_EQ(until_next_try(1'000'000), seconds(10));
}

/// What happens, in order, for a test to wait for.
class Happenings {
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
  explicit FakeSink(Happenings& happenings) : happenings_(happenings) {}
  Result<void> put(const Grant& grant, SteadyTime) override {
    happenings_.add("put " + std::string(grant.token.reveal()));
    if (hang.valid()) std::exchange(hang, {}).wait();
    if (std::exchange(fail_next, false)) return fail(Fault::store, "it is full", "make room");
    return {};
  }
  Result<void> keep(const Grant& grant, SteadyTime) override {
    happenings_.add("keep " + std::string(grant.token.reveal()));
    return {};
  }
  Result<void> withdraw(const Secret& token) override {
    happenings_.add("withdraw " + std::string(token.reveal()));
    return {};
  }
  std::future<void> hang;
  bool fail_next = false;

 private:
  Happenings& happenings_;
};

class SinkWorkerTest : public ::testing::Test, public keeper::Observer {
 protected:
  SinkWorkerTest() : sink(new FakeSink(happenings)) {}
  /// Before the test is taken apart, which the worker tells of what it does.
  void TearDown() override { worker->end(); }

  /// Returns when the worker has asked once: what is published then, it does not know yet.
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
    happenings.add("counted " + std::string(name_of(result)));
  }
  void sink_changed(std::string_view place, const Error* why_not) override {
    happenings.add(std::string(place) + ": " + (why_not != nullptr ? why_not->message : "well"));
  }

  Happenings happenings;
  FakeSink* sink;  ///< The worker's, once it was started.
  std::promise<void> asked;
  std::mutex mutex;
  std::string token;
  bool was_asked = false;
  std::unique_ptr<SinkWorker> worker;
};

TEST_F(SinkWorkerTest, BringsWhatIsPromisedAlreadyWithoutBeingTold) {
  token = "A";
  start();
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted put");
}

TEST_F(SinkWorkerTest, BringsWhatIsNew) {
  start();
  publish("A");
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted put");
  publish("B");
  EXPECT_EQ(happenings.next(), "put B");
}

TEST_F(SinkWorkerTest, KeepsATokenThatItHasPutBefore) {
  token = "A";
  start();
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted put");
  publish("A");  // Promised for longer, say.
  EXPECT_EQ(happenings.next(), "keep A");
  EXPECT_EQ(happenings.next(), "counted put");
}

TEST_F(SinkWorkerTest, DoesNotCareForOtherApps) {
  start();
  worker->notify({"wx2"});
  publish("A");
  EXPECT_EQ(happenings.next(), "put A");
}

TEST_F(SinkWorkerTest, TakesAwayWhatIsPromisedNoMore) {
  token = "A";
  start();
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted put");
  publish("");
  EXPECT_EQ(happenings.next(), "withdraw A");
  EXPECT_EQ(happenings.next(), "counted withdrawn");
}

TEST_F(SinkWorkerTest, TakesNothingAwayBeforeTheKeeperHasSpoken) {
  start();
  publish("");
  EXPECT_EQ(happenings.next(), "withdraw ") << "of an earlier process, now that it has";
}

TEST_F(SinkWorkerTest, BringsOnlyTheNewestWhenASinkWasSlow) {
  token = "A";
  std::promise<void> goes_on;
  sink->hang = goes_on.get_future();
  start();
  EXPECT_EQ(happenings.next(), "put A");
  for (const char* value : {"B", "C", "D"}) publish(value);  // Returns at once, each time.
  goes_on.set_value();
  EXPECT_EQ(happenings.next(), "counted put");
  EXPECT_EQ(happenings.next(), "put D");
}

TEST_F(SinkWorkerTest, TellsOfAFailureOnceAndOfItsEnd) {
  token = "A";
  sink->fail_next = true;
  start();
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted failed");
  EXPECT_EQ(happenings.next(), "redis there: it is full");
  EXPECT_EQ(happenings.next(), "put A") << "tried again by itself";
  EXPECT_EQ(happenings.next(), "counted put");
  EXPECT_EQ(happenings.next(), "redis there: well");
}

TEST_F(SinkWorkerTest, DoesNotWaitWithANewTokenUntilTheNextTry) {
  const hufu::testing::FakeClock standing;  // The next try never comes.
  token = "A";
  sink->fail_next = true;
  start(standing);
  EXPECT_EQ(happenings.next(), "put A");
  EXPECT_EQ(happenings.next(), "counted failed");
  EXPECT_EQ(happenings.next(), "redis there: it is full");
  publish("B");
  EXPECT_EQ(happenings.next(), "put B");
  worker->end();  // Before its clock.
}

TEST_F(SinkWorkerTest, EndsWhatASinkIsWaitingForAndBlamesNobody) {
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
  EXPECT_EQ(happenings.next(), "put A");
  worker->end();
  happenings.add("over");
  EXPECT_EQ(happenings.next(), "over");
}

}  // namespace
}  // namespace hufu::sink
