#include "store/row_text.hpp"

#include <gtest/gtest.h>

namespace hufu::store {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using Texts = std::vector<std::string>;

Credentials credentials_of(std::initializer_list<std::pair<std::string, std::string_view>> some) {
  Credentials credentials;
  for (const auto& [name, text] : some) credentials.emplace(name, Secret(text));
  return credentials;
}

TEST(RowText, ListsComeBackInOrderAndNothingIsAnEmptyText) {
  EXPECT_EQ(text_of(Texts{}), "");
  EXPECT_EQ(text_of(Texts{"b", "a"}), R"(["b","a"])");
  EXPECT_EQ(texts_from(R"(["b","a"])"), (Texts{"b", "a"}));
  EXPECT_EQ(texts_from(""), Texts{});
}

TEST(RowText, AnUnreadableListIsNotAnEmptyOne) {
  for (const char* text : {"[]", "{}", "[1]", "wx1", "[", R"(["a"] x)", R"(["a",null])"}) {
    EXPECT_FALSE(texts_from(text)) << text;
  }
}

TEST(RowText, SettingsComeBackWithWhateverBytesTheyHold) {
  const Settings settings = {{"endpoint", "classic"}, {"empty", ""}, {"\"q\"", "\\\n\xff\xe4\xb8"}};
  EXPECT_EQ(text_of(Settings{}), "");
  EXPECT_EQ(settings_from(text_of(settings)), settings);
  EXPECT_EQ(settings_from(""), Settings());
  EXPECT_EQ(settings_from(R"({"endpoint" : "classic"})"), (Settings{{"endpoint", "classic"}}));
  for (const char* text : {"[]", R"({"a":1})", R"({"a":{}})", "x"}) {
    EXPECT_FALSE(settings_from(text)) << text;
  }
}

TEST(RowText, ALargeSettingComesBackToo) {
  const Settings settings = {{"large", std::string(100'000, 'x')}};
  EXPECT_EQ(settings_from(text_of(settings)), settings);
}

TEST(RowText, CredentialsAreWrittenInHex) {
  const Credentials credentials = credentials_of({{"secret", "\0\xff"sv}, {"aes_key", "k"sv}});
  EXPECT_EQ(text_of(credentials), R"({"aes_key":"6b","secret":"00ff"})");
  auto back = credentials_from(text_of(credentials));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2U);
  EXPECT_TRUE(credential(*back, "secret").same_as("\0\xff"sv));
  EXPECT_TRUE(credential(*back, "aes_key").same_as("k"));
  for (const char* text : {"[]", R"({"a":1})", R"({"a":"0"})", R"({"a":"xy"})"}) {
    EXPECT_FALSE(credentials_from(text)) << text;
  }
}

TEST(RowText, TheNamesOfCredentialsAreReadWithoutThem) {
  auto names = credential_names_from(R"({"aes_key":"6b","secret":"00ff"})");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->size(), 2U);
  EXPECT_TRUE(names->contains("aes_key"));
  EXPECT_TRUE(credential(*names, "secret").empty());
}

TEST(RowText, OneCredentialIsReplacedWhereItIsStillTheSame) {
  const std::string text = R"({"aes_key":"6b","secret":"00ff"})";
  const Secret before("\0\xff"sv);
  const Secret after("new"sv);
  EXPECT_EQ(text_with(text, "secret", before, after), R"({"aes_key":"6b","secret":"6e6577"})");
  EXPECT_FALSE(text_with(text, "aes_key", before, after));
  EXPECT_FALSE(text_with(text, "token", before, after));
  EXPECT_FALSE(text_with("x", "secret", before, after));
}

}  // namespace
}  // namespace hufu::store
