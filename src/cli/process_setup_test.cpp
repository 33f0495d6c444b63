#include "cli/process_setup.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hufu::cli {
namespace {

std::string hidden(std::string argument) {
  std::vector<char*> arguments{argument.data()};
  hide_passwords(arguments);
  return argument;
}

TEST(HidePasswords, LeavesNothingOfThemInTheListOfProcesses) {
  EXPECT_EQ(hidden("--store=postgresql://me:canary@host/db"),
            "--store=postgresql://me:******@host/db");
  EXPECT_EQ(hidden("redis://:canary@host"), "redis://:******@host");
  EXPECT_EQ(hidden("postgresql://host/db?user=me&password=canary&sslmode=require"),
            "postgresql://host/db?user=me&password=******&sslmode=require");
  EXPECT_EQ(hidden("mongodb://me:can@ary@a,b/db"), "mongodb://me:*******@a,b/db");
}

TEST(HidePasswords, LeavesEverythingElseAlone) {
  for (const char* argument :
       {"serve", "--store", "sqlite:/var/lib/hufu.db", "postgresql://host:5432/db",
        "http://127.0.0.1:7200", "wx0123456789abcdef", ""}) {
    EXPECT_EQ(hidden(argument), argument);
  }
}

}  // namespace
}  // namespace hufu::cli
