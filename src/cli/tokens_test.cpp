// get, refresh, report and status, on the store itself.

#include <boost/json/parse.hpp>

#include "cli/machine_for_tests.hpp"

namespace hufu::cli {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Machine;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

std::string newest_token(const Machine& machine) {
  const auto tokens = machine.platform->model().tokens();
  return tokens.empty() ? std::string() : tokens.back().value;
}

void expect_newest_from_get(Machine& machine) {
  const auto got = machine.run({"get"});
  EXPECT_EQ(got.out, newest_token(machine) + "\n") << got.err;
}

TEST(Get, PrintsTheTokenAndNothingElse) {
  Machine machine;
  machine.add_app("wx1");
  const auto first = machine.run({"get", "wx1"});
  EXPECT_EQ(first.status, 0);
  EXPECT_EQ(first.out, newest_token(machine) + "\n");
  EXPECT_THAT(first.err, IsEmpty());
}

TEST(Get, AsksThePlatformOnceForAnyNumberOfProcesses) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const auto first = machine.run({"get", "wx1"});
  EXPECT_EQ(machine.run({"get", "wx1"}).out, first.out);
  EXPECT_EQ(machine.run({"get", "wx1"}).out, first.out);
  EXPECT_EQ(machine.asked().token_calls, 1U);
}

TEST(Get, PrintsTheWholeRecordAsJson) {
  Machine machine;
  machine.add_app("wx1");
  auto record = boost::json::parse(machine.run({"get", "--json", "wx1"}).out);
  EXPECT_EQ(record.at("app"), "wx1");
  EXPECT_EQ(record.at("kind"), "access_token");
  EXPECT_EQ(record.at("token"), newest_token(machine).c_str());
  EXPECT_EQ(record.at("revision"), 1);
  EXPECT_TRUE(record.at("expires_in").is_int64());
  EXPECT_EQ(record.at("fingerprint").as_string().size(), 8U);
}

TEST(Get, NeedsNoNameWhereThereIsOneApp) {
  Machine machine;
  EXPECT_EQ(machine.run({"get"}).status, 3) << "no app at all";
  machine.add_app("wx1");
  expect_newest_from_get(machine);
  machine.add_app("wx2");
  const auto ambiguous = machine.run({"get"});
  EXPECT_EQ(ambiguous.status, 2);
  EXPECT_THAT(ambiguous.err, AllOf(HasSubstr("wx1"), HasSubstr("wx2")));
}

TEST(Get, NeedsNoFileForAnAppOfTheEnvironment) {
  Machine machine;
  machine.environment["WECHAT_APPID"] = "wx1";
  machine.environment["WECHAT_APPSECRET"] = testing::kSecret;
  expect_newest_from_get(machine);
}

/// Notes what the platform had made when the buffer was flushed for the first time.
class FlushWatch : public std::stringbuf {
 public:
  explicit FlushWatch(const Machine& machine) : machine_(machine) {}
  std::string flushed;
  std::uint64_t made = 0;

 protected:
  int sync() override {
    if (flushed.empty()) {
      flushed = str();
      made = machine_.asked().tokens_made;
    }
    return 0;
  }

 private:
  const Machine& machine_;
};

TEST(Get, PrintsAStaleTokenAtOnceAndFinishesItsRenewal) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const auto fresh = machine.run({"get", "wx1"});
  machine.pass(seconds(5700));  // 1800 s before its end, and a tenth of that for the jitter.
  simulator::FaultSwitch slow;
  slow.kind = simulator::FaultSwitch::Kind::slow;
  slow.delay = Milliseconds(1500);
  machine.platform->model().add_fault(slow);

  FlushWatch watch(machine);
  std::ostream out(&watch);
  EXPECT_EQ(machine.run_into(out, {"get", "wx1"}).status, 0);
  EXPECT_EQ(watch.flushed, fresh.out);
  EXPECT_EQ(watch.made, 1U) << "printed before the renewal was over";
  EXPECT_EQ(machine.asked().tokens_made, 2U) << "and the renewal is over when the process ends";
  expect_newest_from_get(machine);
}

TEST(Get, RenewsAStaleTokenFirstWhereMoreIsWished) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const auto fresh = machine.run({"get", "wx1"});
  machine.pass(seconds(5700));
  const auto wished = machine.run({"get", "wx1", "--min-ttl", "3000"});
  EXPECT_NE(wished.out, fresh.out);
  EXPECT_EQ(wished.out, newest_token(machine) + "\n");
}

TEST(Get, TellsWhatThePlatformRefusedAndWhatToDo) {
  Machine machine;
  ASSERT_EQ(machine.run({"app", "add", "wx1", "--secret-stdin"}, "canary-wrong").status, 0);
  const auto wrong = machine.run({"get", "wx1"});
  EXPECT_EQ(wrong.status, 4);
  EXPECT_THAT(wrong.out, IsEmpty());
  EXPECT_THAT(wrong.err, AllOf(HasSubstr("40125"), HasSubstr("secret is wrong"), HasSubstr("→")));

  machine.add_app("wx2");
  ASSERT_TRUE(machine.platform->model().change_settings("wx2", {{"ip_list", {"203.0.113.7"}}}));
  const auto unlisted = machine.run({"get", "wx2"});
  EXPECT_EQ(unlisted.status, 4);
  EXPECT_THAT(unlisted.err,
              AllOf(HasSubstr("40164"), HasSubstr("add 127.0.0.1 to the IP list of wx2")));
}

TEST(Get, TellsAnUnreachablePlatformFromAnUnusableStore) {
  Machine machine;
  machine.add_app("wx1");
  machine.platform->refuse();
  EXPECT_EQ(machine.run({"get", "wx1"}).status, 5);
  EXPECT_EQ(machine.run({"get", "wx1", "--store", "sqlite:/dev/null/no.db"}).status, 6);
}

TEST(Get, KnowsNeitherStrangeAppsNorStrangeKinds) {
  Machine machine;
  machine.add_app("wx1");
  EXPECT_EQ(machine.run({"get", "wx9"}).status, 3);
  EXPECT_EQ(machine.run({"get", "no such app/"}).status, 3);
  EXPECT_EQ(machine.run({"get", "wx1", "--kind", "nonsense"}).status, 3);
  EXPECT_EQ(machine.asked().calls, 0U);
}

TEST(Get, RefusesAWishThatIsNoNumberOfSeconds) {
  Machine machine;
  for (const char* wish : {"-1", "soon", "1.5", ""}) {
    EXPECT_EQ(machine.run({"get", "wx1", "--min-ttl", wish}).status, 2) << wish;
  }
}

TEST(Refresh, RenewsAtOnceButNotTwiceWithinTheOverlap) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const auto before = machine.run({"get"});
  machine.pass(seconds(600));
  const auto renewed = machine.run({"refresh", "wx1"});
  EXPECT_EQ(renewed.status, 0) << renewed.err;
  EXPECT_THAT(renewed.out, MatchesRegex("renewed wx1 access_token: revision 2, fingerprint "
                                        "[0-9a-f]{8}, good for 1 h [0-9]+ min\n"));
  expect_newest_from_get(machine);

  const auto again = machine.run({"refresh", "wx1"});
  EXPECT_EQ(again.status, 8);
  EXPECT_THAT(again.err, ::testing::ContainsRegex("wait [0-9]+ s"));
  EXPECT_EQ(machine.asked().tokens_made, 2U);
}

TEST(Refresh, PrintsTheRecordAsJson) {
  Machine machine;
  machine.add_app("wx1");
  auto record = boost::json::parse(machine.run({"refresh", "--json"}).out);
  EXPECT_EQ(record.at("token"), newest_token(machine).c_str());
}

TEST(Report, ChecksTheTokenBeforeAnythingIsRenewed) {
  Machine machine;
  machine.add_app("wx1", "classic");
  const std::string token = machine.run({"get"}).out;
  const auto alive = machine.run({"report", "wx1"}, token);
  EXPECT_EQ(alive.status, 0);
  EXPECT_EQ(alive.out, "alive\n");
  EXPECT_EQ(machine.run({"report"}, "never seen\n").status, 2) << "white space inside";
  EXPECT_EQ(machine.run({"report"}, "never-seen\n").out, "unknown\n");
  EXPECT_EQ(machine.asked().tokens_made, 1U);

  machine.platform->model().revoke_app("wx1");
  auto renewed = boost::json::parse(machine.run({"report", "wx1", "--json"}, token).out);
  EXPECT_EQ(renewed.at("outcome"), "renewed");
  EXPECT_EQ(renewed.at("token"), newest_token(machine).c_str());
  EXPECT_EQ(machine.run({"report", "wx1"}, token).out, "already_newer\n");
  EXPECT_EQ(machine.asked().tokens_made, 2U);
}

TEST(Report, TakesATokenAsLongAsAPlatformIssuesThem) {
  Machine machine;
  machine.add_app("wx1");
  EXPECT_EQ(machine.run({"report"}, std::string(4096, 'x')).out, "unknown\n");
  EXPECT_EQ(machine.run({"report"}, std::string(4097, 'x')).status, 2);
}

TEST(Report, WantsATokenOnStandardInput) {
  Machine machine;
  machine.add_app("wx1");
  const auto nothing = machine.run({"report", "wx1"}, " \n");
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, ::testing::HasSubstr("Put the refused token there"));
  EXPECT_EQ(machine.run({"report", "wx1"}, std::string(100'000, 'x')).status, 2);
  EXPECT_EQ(machine.run({"report", "wx9"}, "token").status, 3);
}

TEST(Status, StartsWithAVerdict) {
  Machine machine;
  EXPECT_THAT(machine.run({"status"}).out,
              AllOf(StartsWith("no app is known.\n  → "), HasSubstr("`hufu app add APPID --")));
  machine.add_app("wx1", "classic");
  machine.add_app("wx2");
  ASSERT_EQ(machine.run({"get", "wx1"}).status, 0);
  ASSERT_EQ(machine.run({"get", "wx2"}).status, 0);
  auto status = machine.run({"status"});
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.out,
              ::testing::ContainsRegex(
                  "^2 tokens, all usable. Next renewal in 1 h [0-9]+ min \\(wx1\\).\n"
                  "APP +KIND +STATE +LEFT +RENEWAL +FINGERPRINT +LAST ERROR\n"
                  "wx1 +access_token +fresh +1 h [0-9]+ min +in 1 h [0-9]+ min +[0-9a-f]{8} +-\n"
                  "wx2 +access_token +fresh"));

  ASSERT_TRUE(machine.platform->model().change_settings("", {{"verdict", 50002}}));
  machine.pass(seconds(7200));
  ASSERT_EQ(machine.run({"get", "wx1"}).status, 4);
  status = machine.run({"status"});
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.out, AllOf(StartsWith("2 of 2 tokens unusable: wx1, wx2."), HasSubstr("50002"),
                                HasSubstr("unusable")));
}

TEST(Status, PrintsTheObjectOfTheServerAsJson) {
  Machine machine;
  machine.add_app("wx1");
  ASSERT_EQ(machine.run({"get"}).status, 0);
  auto status = boost::json::parse(machine.run({"status", "--json"}).out);
  EXPECT_EQ(status.at("verdict"), "1 token, all usable");
  EXPECT_EQ(status.at("tokens").at(0).at("state"), "fresh");
  EXPECT_EQ(machine.run({"status", "--store", "sqlite:/dev/null/no.db"}).status, 6);
}

}  // namespace
}  // namespace hufu::cli
