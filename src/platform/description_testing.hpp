#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/catalog.hpp"
#include "platform/request_builder.hpp"
#include "platform/response_parser.hpp"

/// What tests ask of a platform's description: which request goes out, and how an answer is
/// understood.
namespace hufu::platform::testing {

inline const PlatformDescription& described(std::string_view platform) {
  static const Catalog catalog;
  return *catalog.find(platform);
}

/// An empty `kind` is the main one.
inline const KindDescription& kind_of(std::string_view platform, std::string_view kind = {},
                                      const Settings& settings = {}) {
  return **find_kind(described(platform), kind, settings);
}

/// The app "id" with the secret "s", and the tokens "n0" and "n1" where a call needs some.
inline IssueRequest asked(const Settings& settings = {}) {
  IssueRequest asked;
  asked.app = "id";
  asked.settings = settings;
  asked.credentials.emplace(kSecret, Secret(std::string_view("s")));
  asked.needed.emplace_back(std::string_view("n0"));
  asked.needed.emplace_back(std::string_view("n1"));
  return asked;
}

/// What goes out, in text: "POST https://host/path", its headers, an empty line and its body. The
/// probed token is "t".
inline std::string request_of(const Call& call, const Settings& settings = {}) {
  const net::HttpRequest request = build_request(call, "https://host", asked(settings), "t");
  std::string text = request.method + " " + std::string(request.url.reveal()) + "\n";
  if (!request.authorization.empty()) {
    text += "Authorization: " + request.authorization_scheme + " " +
            std::string(request.authorization.reveal()) + "\n";
  }
  for (const auto& [name, value] : request.headers) {
    text += name + ": " + std::string(value.reveal()) + "\n";
  }
  if (request.body.empty()) return text;
  text += "Content-Type: " + request.content_type + "\n\n";
  return text += request.body.reveal();
}

inline net::HttpResponse http(int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

/// What became of a call that was answered so. (It carried no secret: an answer that repeats one is
/// not shown.)
inline IssueOutcome answered(const KindDescription& kind, int status, std::string body) {
  IssueRequest asked;
  asked.app = "id";
  return parse_issue_response("The platform", kind, http(status, std::move(body)), asked);
}

inline ProbeResult probed(const KindDescription& kind, int status, std::string body) {
  return parse_probe_response(kind, http(status, std::move(body)));
}

inline void expect_token(const IssueOutcome& outcome, std::string_view token,
                         std::chrono::seconds lifetime) {
  ASSERT_TRUE(outcome.has_value()) << outcome.error().error.message;
  EXPECT_EQ(outcome->value.reveal(), token);
  EXPECT_EQ(outcome->lifetime, lifetime);
}

/// The platform said no: nothing was displaced, and whoever reads of it is told what to do.
inline void expect_refusal(const IssueOutcome& outcome, RetryClass retry_class,
                           std::optional<int> code, std::string_view words = {}) {
  ASSERT_FALSE(outcome.has_value());
  const IssueFailure& failure = outcome.error();
  EXPECT_EQ(failure.delivery, IssueFailure::Delivery::answered);
  EXPECT_EQ(failure.retry_class, retry_class);
  EXPECT_EQ(failure.error.fault, Fault::refused);
  EXPECT_EQ(failure.error.errcode, code);
  EXPECT_THAT(failure.error.message, ::testing::HasSubstr(words));
  EXPECT_NE(failure.error.next_step, "");
}

/// A success without a token that can be used: it may have displaced the one before.
inline void expect_lost(const IssueOutcome& outcome) {
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().delivery, IssueFailure::Delivery::lost);
  EXPECT_EQ(outcome.error().retry_class, RetryClass::backoff);
}

/// "{token}" and "{lifetime}" filled into the body of a success that Hufu answers in the platform's
/// place.
inline std::string drop_in_success(const KindDescription& kind, std::string_view token,
                                   std::string_view lifetime) {
  std::string body = kind.drop_in.value().success;
  for (const auto& [name, value] : {std::pair(std::string_view("{token}"), token),
                                    {std::string_view("{lifetime}"), lifetime}}) {
    if (const auto at = body.find(name); at != std::string::npos) {
      body.replace(at, name.size(), value);
    }
  }
  return body;
}

}  // namespace hufu::platform::testing
