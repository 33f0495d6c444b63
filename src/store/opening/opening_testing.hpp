#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "store/conformance/store_testing.hpp"
#include "store/opening/open_store.hpp"
#include "store/temp_dir.hpp"
#include "testing/fake_clock.hpp"

namespace hufu::store::testing {

inline const Key kKey{"wx1", "access_token"};

/// A SQLite store in a directory of its own, opened and closed as often as a test likes.
class StoreFileTest : public ::testing::Test {
 protected:
  OpenStore open() { return must(open_store({uri, "", {}}, clock)); }
  /// A sealed token and a sealed app in a store that is closed again.
  void fill() {
    OpenStore store = open();
    put_token(*store.tokens, kKey, "canary-token", clock.wall());
    put_app(*store.registry, app_row("wx1", "canary-secret"));
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(database.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  hufu::testing::FakeClock clock;
  TempDir directory;
  std::string database = directory.file("hufu.db");
  std::string key_file = directory.file("hufu.key");
  std::string uri = "sqlite:" + database;
};

}  // namespace hufu::store::testing
