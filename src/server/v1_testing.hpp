#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/route_fixture_testing.hpp"

namespace hufu::server::testing {

/// A client of /v1 with a key for everything, and two apps: one has a token, the other none yet.
class V1 : public ::testing::Test {
 protected:
  V1() {
    fixture.keeper.add("wx1", "TOKEN-1");
    fixture.keeper.add("wx-new");
    key = fixture.key({true, true, true, true, true});
  }

  Answered get(const std::string& target, std::string if_none_match = {}) {
    RouteFixture::Ask ask{"GET", target, key};
    if (!if_none_match.empty()) ask.headers = {{"If-None-Match", std::move(if_none_match)}};
    return fixture.ask(ask);
  }
  Answered post(const std::string& target, const std::string& body = {}) {
    return fixture.ask({"POST", target, key, body});
  }
  Answered put(const std::string& target, const std::string& body) {
    return fixture.ask({"PUT", target, key, body});
  }

  static void expect_problem(const Answered& answer, int status, std::string_view code) {
    EXPECT_EQ(answer.times, 1);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_EQ(answer.at("status"), std::to_string(status));
    EXPECT_EQ(answer.at("code"), "\"" + std::string(code) + "\"");
    EXPECT_EQ(answer.at("type"), "\"urn:hufu:problem:" + std::string(code) + "\"");
    EXPECT_GT(answer.at("title").size(), 2U);
    EXPECT_GT(answer.at("detail").size(), 2U);
  }

  RouteFixture fixture;
  std::string key;
};

}  // namespace hufu::server::testing
