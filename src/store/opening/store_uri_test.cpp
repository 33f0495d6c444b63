#include <gmock/gmock.h>

#include <filesystem>

#include "store/conformance/store_testing.hpp"
#include "store/opening/open_store.hpp"
#include "store/opening/raw_store.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StoreUri, SaysWhereAStoreIs) {
  EXPECT_EQ(must_value(parse_store_uri("memory:")).kind, StoreUri::Kind::memory);
  EXPECT_EQ(must_value(parse_store_uri("sqlite:/var/lib/hufu/hufu.db")).path,
            "/var/lib/hufu/hufu.db");
  EXPECT_EQ(must_value(parse_store_uri("sqlite:///var/lib/hufu.db")).path, "/var/lib/hufu.db");
  EXPECT_EQ(must_value(parse_store_uri("sqlite:hufu.db")).path,
            (std::filesystem::current_path() / "hufu.db").string());
  EXPECT_EQ(must_value(parse_store_uri("sqlite:./a/../hufu.db")).path,
            (std::filesystem::current_path() / "hufu.db").string());
}

TEST(StoreUri, WhatMakesNoSenseIsABrokenConfigWithAWayOut) {
  for (const std::string& uri :
       {""s, "hufu.db"s, "sqlite:"s, "sqlite://"s, "sqlite://host/file.db"s, "sqlite:/var/lib/"s,
        "sqlite::memory:"s, "sqlite:a\0b"s, "sqlite:/x.db?mode=ro"s, "memory:x"s, "memory:?x=1"s,
        "memory"s, "file:x"s, ":x"s, "mysql://u:canary@h"s}) {
    auto store = open_store({uri, "", {}}, system_clock());
    ASSERT_FALSE(store) << uri;
    EXPECT_EQ(store.error().fault, Fault::config) << uri;
    EXPECT_THAT(store.error().next_step, HasSubstr("sqlite:/")) << uri;
    EXPECT_THAT(store.error().message, Not(HasSubstr("canary")));
    EXPECT_FALSE(check_store_uri(uri));
  }
  EXPECT_TRUE(check_store_uri("sqlite:/nowhere/at/all.db"));
}

TEST(StoreUri, OfADatabaseServerIsReadBeforeAnythingIsOpened) {
  for (const char* uri :
       {"postgresql://h/d?canary=1", "postgresql://u:can@ary@h/d", "postgresql://[::1/d",
        "redis://h/0?canary=1", "redis://h:99999", "redis://h/canary", "rediss+sentinel://h",
        "mongodb://h/hufu?canary=1", "mongodb://h/hufu?tls=true&canary=1",
        "mongodb://h:canary/hufu", "mongodb://u:can@ary@h/hufu", "mongodb://"}) {
    auto checked = check_store_uri(uri);
    ASSERT_FALSE(checked) << uri;
    EXPECT_EQ(checked.error().fault, Fault::config) << uri;
    EXPECT_FALSE(checked.error().next_step.empty()) << uri;
    EXPECT_THAT(checked.error().message + checked.error().next_step, Not(HasSubstr("canary")));
  }
  for (const char* uri :
       {"postgresql://u@h1,h2:5433/d?sslmode=verify-full", "postgres:///hufu?host=/run/postgresql",
        "redis://h", "rediss://u@h:6379/0?prefix=a&wait_replicas=1",
        "redis+sentinel://h1,h2/primary", "mongodb://u@h1,h2/hufu?replicaSet=rs0&tls=true",
        "mongodb://u@h/hufu?authSource=admin&w=majority&readConcernLevel=majority&maxPoolSize=5",
        "mongodb+srv://u@cluster.example.com/hufu"}) {
    EXPECT_TRUE(check_store_uri(uri)) << uri;
  }
}

TEST(StoreUri, OfADatabaseServerIsKeptWholeAndSecret) {
  StoreUri uri = must_value(parse_store_uri("postgresql://u:canary@h/d"));
  EXPECT_EQ(uri.kind, StoreUri::Kind::postgresql);
  EXPECT_TRUE(uri.address.same_as("postgresql://u:canary@h/d"));
  EXPECT_TRUE(uri.is_shared());
}

TEST(StoreUri, OfAStoreThatNodesShareNeedsAKeyFile) {
  auto store = open_store({"redis://:canary@h", "", {}}, system_clock());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::config);
  EXPECT_THAT(store.error().next_step, HasSubstr("key_file"));
  EXPECT_THAT(store.error().message, Not(HasSubstr("canary")));
}

}  // namespace
}  // namespace hufu::store
