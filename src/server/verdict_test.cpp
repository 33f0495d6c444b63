#include "server/verdict.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hufu::server {
namespace {

TokenStatus token(const std::string& app, TokenState state) {
  TokenStatus status;
  status.key = {app, std::string(kAccessToken)};
  status.state = state;
  return status;
}

keeper::Status status_of(keeper::TokenCounts counts, std::vector<TokenStatus> page = {}) {
  keeper::Status status;
  status.page.counts = counts;
  status.page.tokens = std::move(page);
  return status;
}

TEST(Verdict, SaysThatAllIsWell) {
  EXPECT_EQ(verdict_on(status_of({})), "no app is known");
  EXPECT_EQ(verdict_on(status_of({.fresh = 1})), "1 token, all usable");
  EXPECT_EQ(verdict_on(status_of({.fresh = 999'990, .stale = 10})), "1000000 tokens, all usable");
}

TEST(Verdict, SaysHowManyRenewalsFailWhileAllIsUsable) {
  EXPECT_EQ(verdict_on(status_of({.fresh = 2, .stale = 1, .failing = 1})),
            "3 tokens, all usable; the renewal of 1 fails");
}

TEST(Verdict, NamesTheFirstThatAreUnusable) {
  EXPECT_EQ(
      verdict_on(status_of({.fresh = 1, .unusable = 1},
                           {token("wx1", TokenState::fresh), token("wx2", TokenState::unusable)})),
      "1 of 2 tokens unusable: wx2");
  TokenStatus ticket = token("wx2", TokenState::missing);
  ticket.key.kind = "jsapi_ticket";
  EXPECT_EQ(verdict_on(status_of(
                {.unusable = 4, .missing = 1},
                {token("wx1", TokenState::unusable), ticket, token("wx3", TokenState::unusable),
                 token("wx4", TokenState::unusable)})),
            "5 of 5 tokens unusable: wx1, wx2 jsapi_ticket, wx3, …");
}

TEST(Verdict, NamesNoneThatAreOnAnotherPage) {
  EXPECT_EQ(verdict_on(status_of({.fresh = 100, .unusable = 1})), "1 of 101 tokens unusable");
}

TEST(Verdict, SaysFirstThatTheStoreCannotBeUsed) {
  keeper::Status status = status_of({.fresh = 1});
  status.store_ok = false;
  EXPECT_EQ(verdict_on(status),
            "the store cannot be used, nothing is renewed; 1 token, all usable");
}

TEST(Verdict, SaysLastWhatIsWrongFromOutside) {
  TokenStatus noticed = token("wx1", TokenState::fresh);
  noticed.notice = "another program fetches tokens for this app";
  EXPECT_EQ(verdict_on(status_of({.fresh = 2}, {token("wx0", TokenState::fresh), noticed})),
            "2 tokens, all usable; wx1: another program fetches tokens for this app");
}

}  // namespace
}  // namespace hufu::server
