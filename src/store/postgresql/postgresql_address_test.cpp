#include "store/postgresql/postgresql_address.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace hufu::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Result<PostgresqlAddress> parse(std::string_view uri, std::string_view password = "") {
  return parse_postgresql_address(Secret(uri), Secret(password));
}
PostgresqlAddress must_parse(std::string_view uri, std::string_view password = "") {
  auto address = parse(uri, password);
  EXPECT_TRUE(address) << uri;
  return address ? std::move(*address) : PostgresqlAddress();
}
std::string option(const PostgresqlAddress& address, std::string_view key) {
  const auto found = std::find_if(address.options.begin(), address.options.end(),
                                  [&](const auto& each) { return each.first == key; });
  return found == address.options.end() ? "" : found->second;
}

TEST(PostgresqlAddress, NamesDatabaseAndHostsAndNeitherUserNorPassword) {
  EXPECT_EQ(must_parse("postgresql://me:canary@db1:5433/shop").shown,
            "the PostgreSQL database shop at db1:5433");
  EXPECT_EQ(must_parse("postgres://me:canary@db1,[::1]:5433/shop").shown,
            "the PostgreSQL database shop at db1, [::1]:5433");
  EXPECT_EQ(must_parse("postgresql:///shop?host=/run/pg").shown,
            "the PostgreSQL database shop at this machine's socket");
}

TEST(PostgresqlAddress, KeepsThePasswordApartAndPrefersTheOneThatIsHandedIn) {
  EXPECT_TRUE(must_parse("postgresql://me:from%40uri@db1/shop").password.same_as("from@uri"));
  EXPECT_TRUE(must_parse("postgresql://me:uri@db1/shop", "handed").password.same_as("handed"));
  const auto address = must_parse("postgresql://me@db1/shop?password=canary");
  EXPECT_TRUE(address.password.same_as("canary"));
  for (const auto& [key, value] : address.options) EXPECT_THAT(value, Not(HasSubstr("canary")));
}

TEST(PostgresqlAddress, HasEachHostWithItsPort) {
  const auto address = must_parse("postgresql://me@db1:1,db2:2/shop");
  ASSERT_EQ(address.hosts.size(), 2U);
  EXPECT_EQ(address.hosts[1].name, "db2");
  EXPECT_EQ(address.hosts[1].port, "2");
  EXPECT_EQ(option(address, "target_session_attrs"), "read-write");
  EXPECT_EQ(must_parse("postgresql:///shop?host=a,b&port=7").hosts[1].port, "7");
  EXPECT_FALSE(parse("postgresql:///shop?host=a,b&port=1,2,3"));
}

TEST(PostgresqlAddress, VerifiesWhoAnswersUnlessItIsThisMachine) {
  EXPECT_EQ(option(must_parse("postgresql://me@db1/shop"), "sslmode"), "verify-full");
  EXPECT_EQ(option(must_parse("postgresql://me@127.0.0.1,db1/shop"), "sslmode"), "verify-full");
  EXPECT_EQ(option(must_parse("postgresql:///shop?service=other"), "sslmode"), "verify-full");
  EXPECT_EQ(option(must_parse("postgresql://me@db1/shop?hostaddr=127.0.0.1"), "sslmode"), "");
  for (const char* near :
       {"postgresql:///shop", "postgresql://me@localhost/shop", "postgresql://me@127.0.0.1/shop",
        "postgresql://me@[::1]/shop", "postgresql:///shop?host=/run/postgresql"}) {
    EXPECT_EQ(option(must_parse(near), "sslmode"), "") << near;
  }
}

TEST(PostgresqlAddress, AnExplicitModeWinsWithAWarningWhereItVerifiesNobody) {
  const auto address = must_parse("postgresql://me:canary@db1/shop?sslmode=require");
  EXPECT_EQ(option(address, "sslmode"), "require");
  EXPECT_THAT(address.warnings, ElementsAre(HasSubstr("sslmode=require")));
  EXPECT_THAT(must_parse("postgresql://me@db1/shop?sslmode=verify-ca").warnings, IsEmpty());
  EXPECT_THAT(must_parse("postgresql://me@localhost/shop?sslmode=disable").warnings, IsEmpty());
}

TEST(PostgresqlAddress, WhatTheUriSaysIsNotSaidOver) {
  const auto address = must_parse(
      "postgresql://me@db1/shop?sslrootcert=/ca.pem&target_session_attrs=any&tcp_user_timeout=9");
  EXPECT_EQ(option(address, "sslrootcert"), "/ca.pem");
  EXPECT_EQ(option(address, "target_session_attrs"), "any");
  EXPECT_EQ(option(address, "tcp_user_timeout"), "9");
}

TEST(PostgresqlAddress, NoMessageRepeatsWhatMayBeAPartOfAPassword) {
  for (const char* uri :
       {"postgresql://me:can@ary@db1/shop", "postgresql://me:can/ary@db1/shop",
        "postgresql://me:can?ary@db1/shop", "postgresql://me:can#ary@db1/shop",
        "postgresql://me:canary%zz@db1/shop", "postgresql://me:canary@db1:port/shop?nothing",
        "postgresql://me@db1/shop?canary", "postgresql://me@db1/shop?pasword=canary"}) {
    auto address = parse(uri);
    ASSERT_FALSE(address) << uri;
    EXPECT_EQ(address.error().fault, Fault::config);
    EXPECT_THAT(address.error().message + address.error().next_step,
                Not(::testing::AnyOf(HasSubstr("can"), HasSubstr("ary"))))
        << uri;
  }
}

}  // namespace
}  // namespace hufu::store
