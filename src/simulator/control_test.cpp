#include "simulator/control.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "testing/fake_clock.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

// The routes under /sim/, without a socket.
class ControlTest : public ::testing::Test {
 protected:
  ControlTest() { model_.put_app({"wxdemo0000000000", "not-a-secret"}); }

  Answer send(std::string_view method, std::string_view path, std::string_view query = {},
              std::string_view body = {}) {
    return control_.handle({method, path, query, body, "127.0.0.1"});
  }
  json::object ask(std::string_view method, std::string_view path, std::string_view query = {},
                   std::string_view body = {}) {
    Answer answer = send(method, path, query, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).as_object();
  }
  std::string mint(const std::string& app = "wxdemo0000000000") {
    std::string query = "grant_type=client_credential&secret=not-a-secret&appid=" + app;
    Answer answer = model_.answer(read_call({"GET", "/cgi-bin/token", query, "", "127.0.0.1"}));
    json::object body = json::parse(answer.body).as_object();
    return body.contains("access_token") ? std::string(body["access_token"].as_string())
                                         : answer.body;
  }

  testing::FakeClock base_;
  MovableClock clock_{base_};
  testing::FixedJitter dice_;
  Model model_{clock_, dice_, {}};
  std::vector<Milliseconds> refusals_;
  int acceptances_ = 0;
  Control control_{model_, clock_,
                   [this](Milliseconds span) -> Result<void> {
                     refusals_.push_back(span);
                     return {};
                   },
                   [this] { ++acceptances_; }};
};

TEST_F(ControlTest, ShowsTheState) {
  mint();
  json::object state = ask("GET", "/sim/state");
  EXPECT_EQ(state["now"].as_int64(), 1'800'000'000'000);
  EXPECT_EQ(state["totals"].at("tokens_made").to_number<int>(), 1);
  EXPECT_EQ(state["totals"].at("overlapping_pairs").to_number<int>(), 0);
  EXPECT_EQ(state["apps"].at(0).at("id"), "wxdemo0000000000");
  EXPECT_EQ(state["apps"].at(0).at("token_calls_today"), 1);
  EXPECT_EQ(state["settings"].at("lifetime"), "7200s");
  EXPECT_THAT(json::serialize(state), ::testing::Not(HasSubstr("not-a-secret")));
}

TEST_F(ControlTest, TellsHowLongATokenLives) {
  std::string token = mint();
  json::object life = ask("GET", "/sim/alive", "token=" + token);
  EXPECT_TRUE(life["known"].as_bool());
  EXPECT_TRUE(life["alive"].as_bool());
  EXPECT_EQ(life["dies_at"].as_int64() - life["now"].as_int64(), 7'200'000);
  base_.advance(seconds(100));
  mint();
  life = ask("GET", "/sim/alive", "token=" + token);
  EXPECT_EQ(life["dies_at"].as_int64() - life["now"].as_int64(), 300'000);
  EXPECT_EQ(life["cause"], "displaced");
  life = ask("GET", "/sim/alive", "token=rubbish");
  EXPECT_FALSE(life["known"].as_bool());
  EXPECT_FALSE(life["alive"].as_bool());
}

TEST_F(ControlTest, JudgesAPromise) {
  std::string token = mint();
  auto throughout = [&](const char* span) {
    return ask("GET", "/sim/alive", "token=" + token + span)["throughout"].as_bool();
  };
  EXPECT_TRUE(throughout("&from=1800000000000&until=1800007200000"));
  EXPECT_FALSE(throughout("&from=1800000000000&until=1800007200001"));
  EXPECT_FALSE(throughout("&from=1799999999999&until=1800007200000"));
}

TEST_F(ControlTest, ListsCallsAndTokensInPages) {
  for (int i = 0; i < 3; ++i) mint();
  json::object calls = ask("GET", "/sim/calls", "app=wxdemo0000000000&after=1&limit=1");
  ASSERT_EQ(calls["calls"].as_array().size(), 1U);
  EXPECT_EQ(calls["calls"].at(0).at("id"), 2);
  EXPECT_EQ(calls["calls"].at(0).at("deed"), "made");
  EXPECT_EQ(calls["calls"].at(0).at("fault"), nullptr);
  json::object tokens = ask("GET", "/sim/tokens", "after=2");
  ASSERT_EQ(tokens["tokens"].as_array().size(), 1U);
  EXPECT_EQ(tokens["tokens"].at(0).at("family"), "normal");
  EXPECT_EQ(ask("GET", "/sim/calls", "app=wxother")["calls"].as_array().size(), 0U);
}

TEST_F(ControlTest, MakesAndRemovesApps) {
  ask("POST", "/sim/apps", "", R"({"id":"wxnew","secret":"not-a-secret","lifetime":"60s"})");
  EXPECT_THAT(mint("wxnew"), HasSubstr("SIM_"));
  EXPECT_EQ(ask("GET", "/sim/state", "app=wxnew")["apps"].at(0).at("settings").at("lifetime"),
            "60s");
  ask("DELETE", "/sim/apps", "id=wxnew");
  EXPECT_THAT(mint("wxnew"), HasSubstr("40013"));
  EXPECT_EQ(send("DELETE", "/sim/apps", "id=wxnew").status, 404);
}

TEST_F(ControlTest, MakesAgentsOfACorp) {
  ask("POST", "/sim/apps", "", R"({"id":"sales","secret":"not-a-secret","corp":"ww1"})");
  EXPECT_EQ(ask("GET", "/sim/state", "app=sales")["apps"].at(0).at("corp"), "ww1");
  Answer answer = model_.answer(read_call(
      {"GET", "/cgi-bin/gettoken", "corpid=ww1&corpsecret=not-a-secret", "", "127.0.0.1"}));
  EXPECT_THAT(answer.body, HasSubstr("SIM_"));
  EXPECT_EQ(ask("GET", "/sim/state")["app_count"], 2);
  EXPECT_EQ(ask("GET", "/sim/state", "app=wxdemo0000000000")["apps"].at(0).at("corp"),
            "wxdemo0000000000")
      << "its own id where nobody said another";
  EXPECT_EQ(send("POST", "/sim/apps", "", R"({"id":"sales","secret":"x","corp":7})").status, 400);
}

TEST_F(ControlTest, MakesNoAppWithABadSetting) {
  EXPECT_EQ(send("POST", "/sim/apps", "", R"({"id":"wxnew","secret":"x","life":"60s"})").status,
            400);
  EXPECT_THAT(mint("wxnew"), HasSubstr("40013"));
}

TEST_F(ControlTest, MovesTheClock) {
  std::string token = mint();
  json::object moved = ask("POST", "/sim/clock", "", R"({"advance":"2h"})");
  EXPECT_EQ(moved["now"].as_int64(), 1'800'007'200'000);
  EXPECT_FALSE(ask("GET", "/sim/alive", "token=" + token)["alive"].as_bool());
  EXPECT_EQ(send("POST", "/sim/clock", "", R"({"advance":"-2h"})").status, 400);
}

TEST_F(ControlTest, RevokesByTokenAndByApp) {
  std::string first = mint();
  mint();
  EXPECT_EQ(ask("POST", "/sim/revoke", "", R"({"token":")" + first + R"("})")["revoked"], 1);
  EXPECT_EQ(ask("POST", "/sim/revoke", "", R"({"app":"wxdemo0000000000"})")["revoked"], 1);
  EXPECT_EQ(send("POST", "/sim/revoke", "", "{}").status, 400);
}

TEST_F(ControlTest, ShowsAndRevokesATicketLikeAToken) {
  Answer answer =
      model_.answer(read_call({"GET", "/cgi-bin/ticket/getticket",
                               "type=wx_card&access_token=" + mint(), "", "127.0.0.1"}));
  const json::value body = json::parse(answer.body);
  const std::string ticket(body.at("ticket").as_string());
  json::object alive = ask("GET", "/sim/alive", "token=" + ticket);
  EXPECT_TRUE(alive["alive"].as_bool());
  EXPECT_EQ(alive["family"], "wx_card_ticket");
  EXPECT_EQ(ask("GET", "/sim/state")["totals"].at("tickets_made").to_number<int>(), 1);
  EXPECT_EQ(ask("POST", "/sim/revoke", "", R"({"token":")" + ticket + R"("})")["revoked"], 1);
  EXPECT_FALSE(ask("GET", "/sim/alive", "token=" + ticket)["alive"].as_bool());
}

TEST_F(ControlTest, ChangesSettingsOfOneAppOrOfAll) {
  json::object all = ask("POST", "/sim/settings", "", R"({"strict":false})");
  EXPECT_FALSE(all["strict"].as_bool());
  json::object one =
      ask("POST", "/sim/settings", "", R"({"app":"wxdemo0000000000","overlap":"10s"})");
  EXPECT_EQ(one["overlap"], "10s");
  EXPECT_FALSE(one["strict"].as_bool());
  EXPECT_EQ(ask("GET", "/sim/state")["settings"].at("overlap"), "300s");
  EXPECT_EQ(send("POST", "/sim/settings", "", R"({"app":"wxnobody"})").status, 404);
}

TEST_F(ControlTest, SwitchesFaultsOnAndOff) {
  ask("POST", "/sim/faults", "",
      R"({"kind":"errcode","errcode":45009,"endpoint":"token","count":1})");
  EXPECT_EQ(ask("GET", "/sim/state")["faults"].as_array().size(), 1U);
  ask("DELETE", "/sim/faults");
  EXPECT_EQ(ask("GET", "/sim/state")["faults"].as_array().size(), 0U);
  EXPECT_EQ(acceptances_, 1);
}

TEST_F(ControlTest, RefusesConnectionsForAWhile) {
  ask("POST", "/sim/faults", "", R"({"kind":"refuse","for":"2s"})");
  EXPECT_THAT(refusals_, ::testing::ElementsAre(seconds(2)));
}

TEST_F(ControlTest, RejectsWhatDoesNotFitAndSaysWhatWould) {
  for (const char* body :
       {"", "[]", "nonsense", R"({"kind":"meteor"})", R"({"kind":"slow","delay":500})",
        R"({"kind":"hang","count":-1})", R"({"kind":"reply","status":99})",
        R"({"kind":"hang","colour":"red"})", R"({"kind":"absurd","fields":7})",
        R"({"kind":"refuse","for":"soon"})", R"({"kind":"refuse","count":2})"}) {
    Answer answer = send("POST", "/sim/faults", "", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr(R"("error":)"));
  }
  EXPECT_TRUE(model_.faults().empty());
}

TEST_F(ControlTest, NamesItsRoutesToWhoeverIsLost) {
  EXPECT_EQ(send("GET", "/sim").status, 404);
  EXPECT_THAT(send("GET", "/sim/").body, HasSubstr("POST /sim/faults"));
  EXPECT_EQ(send("GET", "/sim/faults").status, 405);
}

TEST(FaultSwitch, IsWrittenAsItIsRead) {
  for (
      const char* text :
      {R"({"kind":"hang","count":0,"after":true})",
       R"({"kind":"slow","count":3,"after":false,"endpoint":"token","app":"wx1","delay":"500ms"})",
       R"({"kind":"errcode","count":1,"after":false,"errcode":89503})",
       R"({"kind":"errcode","count":1,"after":false,"errcode":"invalid_client"})",
       R"({"kind":"absurd","count":0,"after":false,"fields":{"expires_in":null},"remove":["x"]})",
       R"({"kind":"reply","count":0,"after":false,"status":502,"content_type":"a/b","body":""})"}) {
    auto fault = FaultSwitch::from_json(json::parse(text).as_object());
    ASSERT_TRUE(fault) << fault.error().message;
    EXPECT_EQ(json::serialize(fault->to_json()), text);
  }
}

}  // namespace
}  // namespace hufu::simulator
