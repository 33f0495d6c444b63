#include "server/drop_in.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

// What every platform that is served in its place has to say, whichever platforms there are.

namespace hufu::server {
namespace {

namespace json = boost::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Place = ReplyTemplate::Place;

std::string filled(const ReplyTemplate& reply) {
  std::string text;
  reply.append(text, [&](Place place) {
    switch (place) {
      case Place::token: text += "THE-TOKEN"; break;
      case Place::lifetime: text += "7123"; break;
      case Place::code: text += "40125"; break;
      case Place::message: text += "the message"; break;
      case Place::rid: text += "the-rid"; break;
    }
  });
  return text;
}

bool is_object(const std::string& text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  return !error && value.is_object();
}

const DropIns& all() {
  static const DropIns drop_ins{platform::Catalog()};
  return drop_ins;
}

TEST(ReplyTemplate, FillsItsPlacesAndLeavesOtherBracesAlone) {
  EXPECT_EQ(filled(ReplyTemplate(R"({"a":{"t":"{token}","n":{lifetime}},"b":"{other}"})")),
            R"({"a":{"t":"THE-TOKEN","n":7123},"b":"{other}"})");
  EXPECT_EQ(filled(ReplyTemplate("{code}{message}{rid}")), "40125the messagethe-rid");
  EXPECT_EQ(filled(ReplyTemplate("")), "");
  EXPECT_EQ(filled(ReplyTemplate("{token")), "{token");
}

TEST(DropIns, AnswerWithATokenAndItsLifetimeInAnObject) {
  ASSERT_FALSE(all().paths.empty());
  for (const auto& path : all().paths) {
    for (const DropInKind& kind : path->kinds) {
      SCOPED_TRACE(kind.platform + " " + path->path);
      const std::string success = filled(kind.success);
      EXPECT_TRUE(is_object(success)) << success;
      EXPECT_THAT(success, HasSubstr("\"THE-TOKEN\""));
      EXPECT_THAT(success, HasSubstr("7123"));
    }
  }
}

TEST(DropIns, SayWhatIsWrongInAnObject) {
  for (const auto& path : all().paths) {
    for (const DropInKind& kind : path->kinds) {
      SCOPED_TRACE(kind.platform + " " + path->path);
      const std::string failure = filled(kind.dialect->body);
      EXPECT_TRUE(is_object(failure)) << failure;
      EXPECT_THAT(failure, HasSubstr("40125"));
      EXPECT_THAT(failure, HasSubstr("the message"));
    }
  }
}

TEST(DropIns, NameTheCallerByCredentialsOrByATokenOfAKindThatIsNeeded) {
  for (const auto& path : all().paths) {
    for (const DropInKind& kind : path->kinds) {
      SCOPED_TRACE(kind.platform + " " + path->path);
      const bool by_credentials = !kind.route.id.empty() && !kind.route.secret.empty();
      const bool by_token = !kind.needed.empty() && !kind.route.token.name.empty() &&
                            kind.route.token.in != platform::TokenPlace::In::nowhere;
      EXPECT_NE(by_credentials, by_token);
      EXPECT_FALSE(path->methods.empty());
    }
  }
}

TEST(DropIns, NeverSayToAWrongSecretThatATokenDied) {
  for (const auto& path : all().paths) {
    for (const DropInKind& kind : path->kinds) {
      if (kind.route.id.empty()) continue;
      SCOPED_TRACE(kind.platform + " " + path->path);
      const platform::DropInFailures& failures = kind.dialect->failures;
      for (const std::string& code :
           {failures.busy, failures.no_id, failures.unknown_app, failures.no_secret,
            failures.wrong_secret, failures.wrong_grant_type, failures.wrong_parameter}) {
        EXPECT_THAT(failures.never, Not(Contains(code)));
      }
      EXPECT_FALSE(failures.unknown_app.empty());
      EXPECT_FALSE(failures.wrong_secret.empty());
    }
  }
}

TEST(DropIns, OfPlatformsThatShareAPathAskForTheSame) {
  for (const auto& path : all().paths) {
    const platform::DropInRoute& first = path->first().route;
    for (const DropInKind& kind : path->kinds) {
      SCOPED_TRACE(kind.platform + " " + path->path);
      EXPECT_EQ(kind.route.id, first.id);
      EXPECT_EQ(kind.route.secret, first.secret);
      EXPECT_EQ(kind.route.grant_type, first.grant_type);
      EXPECT_EQ(kind.route.parameters, first.parameters);
      EXPECT_EQ(kind.route.token.name, first.token.name);
      EXPECT_EQ(kind.dialect->failures.body, path->dialect().failures.body);
      EXPECT_EQ(kind.account.empty(), path->first().account.empty());
    }
  }
}

}  // namespace
}  // namespace hufu::server
