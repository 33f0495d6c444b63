#include "cli/log_observer.hpp"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "cli/logging.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Everything that is logged while it lives, and the observer that logs.
class Log {
 public:
  explicit Log(std::string_view level) : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(make_logger(lines_, level, "text"));
  }
  ~Log() { spdlog::set_default_logger(before_); }

  [[nodiscard]] std::string text() const { return lines_.str(); }
  hufu::testing::FakeClock clock;
  LogObserver observer{clock};

 private:
  std::ostringstream lines_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST(LogObserver, TellsOfARenewalInOneLine) {
  Log log("info");
  log.observer.renewed({"wx1"}, keeper::Cause::schedule, 7, Fingerprint{0x1a2b3c4d},
                       Milliseconds(123));
  EXPECT_THAT(log.text(),
              EndsWith(" info  renewed: app=wx1 kind=access_token revision=7 fingerprint=1a2b3c4d "
                       "cause=schedule ms=123\n"));
}

TEST(LogObserver, TellsOfAFailureWhatItMeansAndWhatToDo) {
  Log log("warn");
  log.observer.renewal_failed(
      {"wx1"}, keeper::Cause::demand,
      Error{Fault::refused, "this address is not on the list", "add it at mp.example", 40164, {}},
      RetryClass::slow, std::chrono::seconds(300));
  EXPECT_THAT(log.text(),
              EndsWith(" warn  renewal failed: app=wx1 kind=access_token cause=demand "
                       "next_attempt=300.0s: this address is not on the list (errcode 40164) → "
                       "add it at mp.example\n"));
}

TEST(LogObserver, TellsOfASinkThatFailsWhatToDoAndThatItIsWellAgain) {
  Log log("info");
  const Error full{Fault::store, "/run/t: cannot write it", "make room there", {}, {}};
  log.observer.sink_changed("file /run/t", &full);
  EXPECT_THAT(log.text(), EndsWith(" warn  a token cannot be brought to its sink: file /run/t: "
                                   "/run/t: cannot write it → make room there\n"));
  log.observer.sink_changed("file /run/t", nullptr);
  EXPECT_THAT(log.text(), EndsWith(" info  tokens reach their sink again: file /run/t\n"));
}

TEST(LogObserver, DoesNotRepeatACodeThatTheMessageNames) {
  Log log("warn");
  log.observer.commit_failed({"wx1"}, Error{Fault::store, "40164 it is", "", 40164, {}});
  EXPECT_THAT(log.text(), EndsWith(": 40164 it is\n"));
}

TEST(LogObserver, WarnsOfWhatSomebodyMayHaveToLookAt) {
  Log log("warn");
  log.observer.fenced({"wx-fenced"});
  log.observer.probed({"wx-dead"}, ProbeResult::dead);
  log.observer.reported({"wx-throttled"}, ReportOutcome::throttled);
  log.observer.clock_stepped(Milliseconds(-90'500));
  log.observer.replicas_behind(7);
  log.observer.store_lost(2, 1);
  Error full{Fault::store, "disk full", "make room", {}, {}};
  log.observer.store_changed(false, &full);
  EXPECT_THAT(log.text(),
              AllOf(HasSubstr("confirm in time: writes=7"),
                    HasSubstr("the store has lost what was in it: apps=2 tokens=1"),
                    HasSubstr("app=wx-fenced"), HasSubstr("app=wx-dead kind=access_token dead"),
                    HasSubstr("app=wx-throttled kind=access_token outcome=throttled"),
                    HasSubstr("set by -90.500s"), HasSubstr(" error the store cannot be used"),
                    HasSubstr("disk full → make room\n")));
}

TEST(LogObserver, SaysOnceAMinuteWhatGoesOn) {
  Log log("warn");
  auto fail = [&](const char* why) {
    log.observer.renewal_failed({"wx1"}, keeper::Cause::schedule,
                                Error{Fault::unreachable, why, "", {}, {}}, RetryClass::backoff,
                                std::chrono::seconds(1));
  };
  for (int i = 0; i < 100; ++i) {
    log.observer.reported({"wx1"}, ReportOutcome::throttled);
    fail("no answer");
  }
  fail("no name");
  log.observer.reported({"wx2"}, ReportOutcome::throttled);
  const std::string first = log.text();
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 4) << first;

  log.clock.advance(std::chrono::minutes(1));
  log.observer.reported({"wx1"}, ReportOutcome::throttled);
  EXPECT_THAT(log.text(), EndsWith("reported as refused: app=wx1 kind=access_token "
                                   "outcome=throttled (and 99 times since this was last said)\n"));
}

TEST(LogObserver, KeepsWhatHappensAllTheTimeToDebug) {
  Log log("info");
  log.observer.lease("granted");
  log.observer.probed({"wx1"}, ProbeResult::alive);
  log.observer.reported({"wx1"}, ReportOutcome::already_newer);
  EXPECT_THAT(log.text(), IsEmpty());
}

}  // namespace
}  // namespace hufu::cli
