#include "server/key_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>

#include "server/route_fixture_testing.hpp"

namespace hufu::server {
namespace {

store::ApiKeyRow row(std::string name, const NewApiKey& key, std::vector<std::string> apps,
                     store::Rights rights) {
  store::ApiKeyRow made;
  made.name = std::move(name);
  made.hash = key.hash;
  made.apps = std::move(apps);
  made.rights = rights;
  return made;
}

class KeyTableTest : public ::testing::Test {
 protected:
  Access access(const NewApiKey& with, Right right, std::string_view app) const {
    return table.check(with.key.reveal(), right, app).access;
  }
  testing::FakeKeeper keeper;
  KeyTable table{keeper};
  NewApiKey key = make_api_key().value();
};

TEST(ApiKey, IsAPrefixAnd43CharactersOfBase64Url) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    NewApiKey made = make_api_key().value();
    std::string key(made.key.reveal());
    ASSERT_EQ(key.size(), 46U);
    EXPECT_EQ(key.substr(0, 3), "hf_");
    EXPECT_EQ(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_"),
              std::string::npos);
    EXPECT_EQ(made.hash, hash_of(key));
    EXPECT_TRUE(seen.insert(key).second);
  }
}

TEST(ApiKey, IsKeptAsItsSha256) {
  // FIPS 180-2, appendix B.1.
  const KeyHash abc = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                       0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                       0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  EXPECT_EQ(hash_of("abc"), abc);
}

TEST_F(KeyTableTest, GrantsWhatTheKeyMayDoAndNothingElse) {
  table.reload({row("shop", key, {"wx2", "wx1"}, {.read = true, .report = true})});

  EXPECT_EQ(access(key, Right::read, "wx1"), Access::granted);
  EXPECT_EQ(access(key, Right::report, "wx2"), Access::granted);
  EXPECT_EQ(access(key, Right::read, ""), Access::granted);
  EXPECT_EQ(access(key, Right::refresh, "wx1"), Access::forbidden);
  EXPECT_EQ(access(key, Right::read, "wx3"), Access::forbidden);
  EXPECT_EQ(access(key, Right::read, "wx"), Access::forbidden);
}

TEST_F(KeyTableTest, TakesTheRightToReadForOneToSeeAndNotTheOtherWayRound) {
  table.reload({row("shop", key, {}, {.read = true})});
  EXPECT_EQ(access(key, Right::see, ""), Access::granted);
  table.reload({row("screen", key, {}, {.see = true})});
  EXPECT_EQ(access(key, Right::see, ""), Access::granted);
  EXPECT_EQ(access(key, Right::read, ""), Access::forbidden);
  table.reload({row("ops", key, {}, {.admin = true})});
  EXPECT_EQ(access(key, Right::see, ""), Access::forbidden);
}

TEST_F(KeyTableTest, TakesAKeyWithoutAppsToMeanAllOfThem) {
  table.reload({row("ops", key, {}, {.admin = true})});
  EXPECT_EQ(access(key, Right::admin, "wx-any"), Access::granted);
  EXPECT_TRUE(table.find(key.key.reveal())->sees_all());
  EXPECT_TRUE(table.find(key.key.reveal())->scope().empty());
}

TEST_F(KeyTableTest, OpensAllChildrenOfAnAppThatIsNamedWithASlash) {
  keeper.add("parent");
  keeper.add_child("child", "parent");
  keeper.add_child("other", "another");
  table.reload({row("shops", key, {"parent/", "wx1"}, {.read = true})});
  EXPECT_EQ(access(key, Right::read, "child"), Access::granted);
  EXPECT_EQ(access(key, Right::read, "wx1"), Access::granted);
  for (const char* app : {"parent", "parent/", "other", "child/", "nobody"}) {
    EXPECT_EQ(access(key, Right::read, app), Access::forbidden) << app;
  }
  EXPECT_FALSE(table.find(key.key.reveal())->sees_all());
  EXPECT_EQ(table.find(key.key.reveal())->scope(), (keeper::Scope{"wx1", "parent/"}));

  keeper.add_child("later", "parent");
  EXPECT_EQ(access(key, Right::read, "later"), Access::granted);
}

TEST_F(KeyTableTest, GivesAuthorityToKeysThatNameTheAppAndToAdministrators) {
  keeper.add_child("child", "parent");
  auto authority = [&](std::vector<std::string> apps, store::Rights rights, const char* app) {
    table.reload({row("key", key, std::move(apps), rights)});
    return table.check(key.key.reveal(), Right::read, app).authority;
  };
  EXPECT_TRUE(authority({"wx1", "wx2"}, {.read = true}, "wx1"));
  EXPECT_TRUE(authority({}, {.read = true, .admin = true}, "wx1"));
  EXPECT_FALSE(authority({}, {.read = true}, "wx1"));
  EXPECT_FALSE(authority({"parent/"}, {.read = true}, "child"));
}

TEST_F(KeyTableTest, KnowsTheMarginOfAKey) {
  store::ApiKeyRow shop = row("shop", key, {}, {.read = true});
  shop.margin = std::chrono::seconds(1500);
  table.reload({shop});
  EXPECT_EQ(table.check(key.key.reveal(), Right::read, "wx1").margin, std::chrono::seconds(1500));
}

TEST_F(KeyTableTest, KnowsNobodyByAnEmptyUnknownAlteredOrEndlessKey) {
  table.reload({row("shop", key, {}, {.read = true})});
  std::string altered(key.key.reveal());
  altered.back() = altered.back() == 'A' ? 'B' : 'A';
  for (const std::string& wrong :
       {std::string(), std::string("hf_"), altered, std::string(key.key.reveal()) + "A",
        std::string(1'000'000, 'x'), std::string("\0\xff", 2)}) {
    EXPECT_EQ(table.check(wrong, Right::read, "wx1").access, Access::unauthenticated);
    EXPECT_FALSE(table.find(wrong));
  }
}

TEST_F(KeyTableTest, ForgetsARevokedKeyWithTheNextReload) {
  NewApiKey second = make_api_key().value();
  table.reload({row("a", key, {}, {.read = true}), row("b", second, {}, {.read = true})});
  const std::uint64_t generation = table.generation();
  table.reload({row("b", second, {}, {.read = true})});
  EXPECT_EQ(access(key, Right::read, ""), Access::unauthenticated);
  EXPECT_EQ(table.check(key.hash, Right::read, "").access, Access::unauthenticated);
  EXPECT_EQ(access(second, Right::read, ""), Access::granted);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_NE(table.generation(), generation);
}

TEST_F(KeyTableTest, AnswersWhileItIsReloaded) {
  NewApiKey always = make_api_key().value();
  NewApiKey sometimes = make_api_key().value();
  table.reload({row("a", always, {"wx1"}, {.read = true})});
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        if (access(always, Right::read, "wx1") != Access::granted) ++wrong;
        (void)table.check(sometimes.key.reveal(), Right::read, "wx1");
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    std::vector<store::ApiKeyRow> rows{row("a", always, {"wx1"}, {.read = true})};
    if (i % 2 == 0) rows.push_back(row("b", sometimes, {}, {.read = true}));
    table.reload(std::move(rows));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace hufu::server
