#include "server/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

using testing::Answered;
using testing::RouteFixture;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool has_line(const std::string& text, const std::string& line) {
  std::vector<std::string> lines = lines_of(text);
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TokenStatus token(const std::string& app, TokenState state) {
  TokenStatus status;
  status.key.app = app;
  status.state = state;
  status.obtained_at = WallTime(Milliseconds(1'000'500));
  status.expires_at = WallTime(Milliseconds(8'200'500));
  return status;
}

class MetricsPage : public ::testing::Test {
 protected:
  MetricsPage() { key = fixture.key({.read = true}); }
  std::string page() { return fixture.ask({"GET", "/metrics"}).body; }
  RouteFixture fixture;
  std::string key;
};

// Dashboards and alerts hang on these names: one that changes must change here, on purpose.
TEST_F(MetricsPage, HasTheseMetricsAndNoOthers) {
  std::set<std::string> names;
  for (const std::string& line : lines_of(page())) {
    if (line.starts_with("# TYPE ")) names.insert(line.substr(7));
  }
  EXPECT_EQ(names, (std::set<std::string>{
                       "hufu_api_keys gauge",
                       "hufu_apps gauge",
                       "hufu_apps_usable gauge",
                       "hufu_asked_again_total counter",
                       "hufu_build_info gauge",
                       "hufu_clock_steps_total counter",
                       "hufu_commit_failed_total counter",
                       "hufu_dropin_errors_total counter",
                       "hufu_fence_rejected_total counter",
                       "hufu_http_request_duration_seconds histogram",
                       "hufu_http_requests_total counter",
                       "hufu_lease_acquire_total counter",
                       "hufu_log_lines_dropped_total counter",
                       "hufu_platform_requests_total counter",
                       "hufu_probe_total counter",
                       "hufu_report_total counter",
                       "hufu_singleflight_waiters gauge",
                       "hufu_sink_writes_total counter",
                       "hufu_started gauge",
                       "hufu_store_unconfirmed_total counter",
                       "hufu_store_up gauge",
                       "hufu_time_seconds gauge",
                       "hufu_token_expires_timestamp_seconds gauge",
                       "hufu_token_failures gauge",
                       "hufu_token_last_success_timestamp_seconds gauge",
                       "hufu_token_refresh_duration_seconds histogram",
                       "hufu_token_refresh_total counter",
                       "hufu_token_state gauge",
                       "hufu_tokens gauge",
                       "hufu_tokens_failing gauge",
                   }));
}

TEST_F(MetricsPage, CountsLogLinesThatCouldNotBeWritten) {
  EXPECT_TRUE(has_line(page(), "hufu_log_lines_dropped_total 0")) << "nobody counts them";
  fixture.services->about.log_lines_dropped = [] { return std::uint64_t{7}; };
  EXPECT_TRUE(has_line(page(), "hufu_log_lines_dropped_total 7"));
}

TEST_F(MetricsPage, IsTextThatPrometheusReads) {
  fixture.keeper.statuses.push_back(token("wx\"1\\", TokenState::fresh));
  fixture.ask({"GET", "/cgi-bin/token"});
  Answered answer = fixture.ask({"GET", "/metrics"});
  EXPECT_EQ(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const std::string label = R"re([a-z]+="([^"\\]|\\.)*")re";
  const std::string series = "[a-z_]+(\\{" + label + "(," + label + ")*\\})? [0-9]+(\\.[0-9]{3})?";
  for (const std::string& line : lines_of(answer.body)) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) continue;
    EXPECT_THAT(line, ::testing::MatchesRegex(series));
  }
}

TEST_F(MetricsPage, CountsAnswersByRouteAndStatus) {
  fixture.keeper.add("wx1", "TOKEN-1");
  fixture.ask({"GET", "/v1/apps/wx1/token", key});
  fixture.ask({"HEAD", "/v1/apps/wx1/token", key});
  fixture.ask({"GET", "/v1/apps/wx1/token"});
  fixture.ask({"GET", "/nowhere/at/all"});
  std::string text = page();
  EXPECT_TRUE(has_line(
      text, R"(hufu_http_requests_total{route="GET /v1/apps/{app}/token",status="200"} 2)"));
  EXPECT_TRUE(has_line(
      text, R"(hufu_http_requests_total{route="GET /v1/apps/{app}/token",status="401"} 1)"));
  EXPECT_TRUE(has_line(text, R"(hufu_http_requests_total{route="other",status="404"} 1)"));
  EXPECT_EQ(text.find("nowhere"), std::string::npos);
}

TEST_F(MetricsPage, CountsErrorsInWeChatsShape) {
  fixture.ask({"GET", "/cgi-bin/token"});
  fixture.ask({"GET", "/cgi-bin/token"});
  fixture.ask({"GET", "/cgi-bin/token?appid=x"});
  fixture.keeper.add("wx1");
  fixture.keeper.on_get = [](const Key&) -> Result<Grant> {
    return tl::unexpected<Error>(Error{Fault::refused, "odd", {}, 987654, {}});
  };
  fixture.ask({"GET", "/cgi-bin/token?appid=wx1&grant_type=client_credential&secret=" + key});
  std::string text = page();
  EXPECT_TRUE(has_line(text, R"(hufu_dropin_errors_total{errcode="41002"} 2)")) << text;
  EXPECT_TRUE(has_line(text, R"(hufu_dropin_errors_total{errcode="40013"} 1)"));
  EXPECT_TRUE(has_line(text, R"(hufu_dropin_errors_total{errcode="other"} 1)"));
}

TEST_F(MetricsPage, CountsWhoAsksAgain) {
  fixture.keeper.add("wx1", "TOKEN-1");
  for (int asked = 0; asked < 3; ++asked) {
    fixture.ask({"GET", "/cgi-bin/token?appid=wx1&grant_type=client_credential&secret=" + key});
  }
  EXPECT_TRUE(has_line(page(), "hufu_asked_again_total 1"));
}

TEST_F(MetricsPage, CodesThatThePlatformIsKnownToRefuseWithWereCountedAsOther) {
  const platform::Catalog catalog;
  const auto* wechat = catalog.find("wechat");
  ASSERT_NE(wechat, nullptr);
  for (const platform::KindDescription& kind : wechat->kinds) {
    for (const auto& [code, mapping] : kind.errors) {
      fixture.services->metrics.drop_in_error(code);
    }
  }
  const std::string text = page();
  EXPECT_EQ(text.find(R"(hufu_dropin_errors_total{errcode="other"})"), std::string::npos);
  for (const char* code : {"48001", "50004", "61004", "89502", "89504", "89505"}) {
    EXPECT_NE(text.find(R"(hufu_dropin_errors_total{errcode=")" + std::string(code) + "\"}"),
              std::string::npos)
        << code;
  }
}

TEST_F(MetricsPage, MeasuresOnlyWhatHadToWait) {
  Metrics metrics({"GET /a"});
  metrics.answered_at_once(0, 200);
  metrics.answered_later(0, 200, Milliseconds(1));
  metrics.answered_later(0, 200, Milliseconds(70));
  metrics.answered_later(0, 200, Milliseconds(61'000));
  std::string text = metrics.render({});
  const std::string name = "hufu_http_request_duration_seconds";
  EXPECT_TRUE(has_line(text, name + R"(_bucket{le="0.001"} 2)")) << text;
  EXPECT_TRUE(has_line(text, name + R"(_bucket{le="0.05"} 2)"));
  EXPECT_TRUE(has_line(text, name + R"(_bucket{le="0.1"} 3)"));
  EXPECT_TRUE(has_line(text, name + R"(_bucket{le="60"} 3)"));
  EXPECT_TRUE(has_line(text, name + R"(_bucket{le="+Inf"} 4)"));
  EXPECT_TRUE(has_line(text, name + "_sum 61.071"));
  EXPECT_TRUE(has_line(text, name + "_count 4"));
}

TEST_F(MetricsPage, ShowsEachTokenOfAFewApps) {
  fixture.keeper.statuses.push_back(token("wx1", TokenState::stale));
  fixture.keeper.statuses.push_back(token("wx2", TokenState::missing));
  fixture.keeper.statuses.back().failure = FailureState{};
  fixture.keeper.statuses.back().failure->failures = 7;
  std::string text = page();
  EXPECT_TRUE(has_line(text, R"(hufu_token_state{app="wx1",kind="access_token",state="stale"} 1)"));
  EXPECT_TRUE(has_line(
      text, R"(hufu_token_expires_timestamp_seconds{app="wx1",kind="access_token"} 8200.500)"));
  EXPECT_TRUE(
      has_line(text, R"(hufu_token_state{app="wx2",kind="access_token",state="missing"} 1)"));
  EXPECT_TRUE(has_line(text, R"(hufu_token_failures{app="wx2",kind="access_token"} 7)"));
  EXPECT_EQ(text.find(R"(expires_timestamp_seconds{app="wx2")"), std::string::npos);
}

TEST_F(MetricsPage, ShowsJustTheSumsOfMany) {
  fixture.keeper.statuses.push_back(token("wx1", TokenState::fresh));
  fixture.keeper.healthy = {true, true, 1'000'000, 999'998, {}};
  fixture.keeper.counts = keeper::TokenCounts{999'990, 8, 1, 1, 2};
  std::string text = page();
  EXPECT_TRUE(has_line(text, "hufu_apps 1000000"));
  EXPECT_TRUE(has_line(text, "hufu_apps_usable 999998"));
  EXPECT_TRUE(has_line(text, R"(hufu_tokens{state="fresh"} 999990)"));
  EXPECT_TRUE(has_line(text, R"(hufu_tokens{state="stale"} 8)"));
  EXPECT_TRUE(has_line(text, R"(hufu_tokens{state="unusable"} 1)"));
  EXPECT_TRUE(has_line(text, R"(hufu_tokens{state="missing"} 1)"));
  EXPECT_TRUE(has_line(text, "hufu_tokens_failing 2"));
  EXPECT_EQ(text.find("wx1"), std::string::npos);
}

TEST_F(MetricsPage, CountsWhatTheKeeperTells) {
  KeeperCounters& told = *fixture.counters;
  Key wx1{"wx1"};
  told.renewed(wx1, keeper::Cause::demand, 2, {}, Milliseconds(120));
  told.renewal_failed(wx1, keeper::Cause::schedule, {Fault::unreachable, {}, {}, {}, {}},
                      RetryClass::backoff, {});
  told.renewal_failed(wx1, keeper::Cause::report, {Fault::store, {}, {}, {}, {}},
                      RetryClass::backoff, {});
  told.called("wechat/stable/access_token", 0);
  told.called("wechat/stable/access_token", 0);
  told.called("wechat/stable/access_token", 40164);
  told.called("wechat/classic/access_token", {});
  told.called("feishu/tenant_access_token", 0);
  told.renewed({"wx1", "jsapi_ticket"}, keeper::Cause::schedule, 2, {}, Milliseconds(20));
  told.waiting(3);
  told.waiting(-1);
  told.lease("held");
  told.lease("some new word");
  told.fenced(wx1);
  told.commit_failed(wx1, {});
  told.probed(wx1, ProbeResult::dead);
  told.reported(wx1, ReportOutcome::throttled);
  told.reported(wx1, ReportOutcome::unverified);
  told.clock_stepped(Milliseconds(5));
  told.unconfirmed(2);
  told.unconfirmed(1);
  told.sink_written("redis", keeper::SinkResult::failed);
  told.sink_written("file", keeper::SinkResult::put);
  told.sink_written("mongodb", keeper::SinkResult::put);
  std::string text = page();
  for (
      const char* line : {
          R"(hufu_token_refresh_total{kind="access_token",result="renewed",reason="demand"} 1)",
          R"(hufu_token_refresh_total{kind="access_token",result="unreachable",reason="schedule"} 1)",
          R"(hufu_token_refresh_total{kind="access_token",result="other",reason="report"} 1)",
          R"(hufu_token_refresh_total{kind="access_token",result="renewed",reason="refresh"} 0)",
          R"(hufu_token_refresh_duration_seconds_bucket{le="0.1"} 1)",
          R"(hufu_token_refresh_duration_seconds_bucket{le="0.25"} 2)",
          "hufu_token_refresh_duration_seconds_sum 0.140",
          R"(hufu_platform_requests_total{platform="wechat",endpoint="stable",kind="access_token",code="0"} 2)",
          R"(hufu_platform_requests_total{platform="wechat",endpoint="stable",kind="access_token",code="40164"} 1)",
          R"(hufu_platform_requests_total{platform="wechat",endpoint="classic",kind="access_token",code="none"} 1)",
          R"(hufu_platform_requests_total{platform="feishu",endpoint="",kind="tenant_access_token",code="0"} 1)",
          R"(hufu_token_refresh_total{kind="jsapi_ticket",result="renewed",reason="schedule"} 1)",
          "hufu_singleflight_waiters 2",
          R"(hufu_lease_acquire_total{result="held"} 1)",
          R"(hufu_lease_acquire_total{result="other"} 1)",
          "hufu_store_unconfirmed_total 3",
          "hufu_fence_rejected_total 1",
          "hufu_commit_failed_total 1",
          R"(hufu_probe_total{result="dead"} 1)",
          R"(hufu_report_total{outcome="throttled"} 1)",
          R"(hufu_report_total{outcome="renewed"} 0)",
          R"(hufu_report_total{outcome="unverified"} 1)",
          "hufu_clock_steps_total 1",
          R"(hufu_sink_writes_total{sink="redis",result="failed"} 1)",
          R"(hufu_sink_writes_total{sink="redis",result="put"} 0)",
          R"(hufu_sink_writes_total{sink="file",result="put"} 1)",
          R"(hufu_sink_writes_total{sink="mongodb",result="put"} 1)",
          R"(hufu_sink_writes_total{sink="file",result="withdrawn"} 0)",
          R"(hufu_build_info{version="1.2.3"} 1)",
          "hufu_api_keys 1",
          "hufu_store_up 1",
          "hufu_started 1",
          "hufu_time_seconds 1800000000.000",
      }) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
}

TEST_F(MetricsPage, BoundsTheSeriesThatAPlatformCanCause) {
  for (int code = 0; code < 10'000; ++code) {
    fixture.counters->called("i", code);
    fixture.counters->renewed({"wx1", "kind " + std::to_string(code)}, keeper::Cause::schedule, 2,
                              {}, {});
  }
  std::vector<std::string> lines = lines_of(page());
  auto codes = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("hufu_platform_requests_total{");
  });
  EXPECT_LE(codes, 201);
  EXPECT_TRUE(has_line(
      page(),
      R"(hufu_platform_requests_total{platform="i",endpoint="",kind="",code="other"} 9800)"));
  const auto renewals = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("hufu_token_refresh_total{") &&
           line.find("renewed") != std::string::npos;
  });
  EXPECT_LE(renewals, 4 * 65);
}

TEST_F(MetricsPage, HoldsNoToken) {
  fixture.keeper.add("wx1", "CANARY").secret = "CANARY";
  fixture.ask({"GET", "/v1/apps/wx1/token", key});
  std::string text = page();
  EXPECT_EQ(text.find("CANARY"), std::string::npos);
  EXPECT_EQ(text.find(key), std::string::npos);
}

TEST(Metrics, LosesNoCountBetweenThreads) {
  Metrics metrics({"GET /a"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) metrics.answered_at_once(0, 200);
    });
  }
  (void)metrics.render({});
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(has_line(metrics.render({}),
                       R"(hufu_http_requests_total{route="GET /a",status="200"} 40000)"));
}

}  // namespace
}  // namespace hufu::server
