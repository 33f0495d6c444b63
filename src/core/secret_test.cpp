#include "hufu/secret.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <sstream>
#include <type_traits>
#include <utility>

namespace hufu {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <class T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

static_assert(!Printable<Secret>);
static_assert(!Comparable<Secret>);
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);

TEST(Secret, ShowsItsBytesOnlyWhenAsked) {
  Secret secret(std::string_view("tiger"));
  EXPECT_EQ(secret.reveal(), "tiger");
  EXPECT_EQ(secret.clone().reveal(), "tiger");
}

TEST(Secret, IsEmptyAfterItWasMovedFrom) {
  Secret first(std::string_view("tiger"));
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(second.reveal(), "tiger");
}

TEST(Secret, KeepsItsBytesWhenAssignedToItself) {
  Secret secret(std::string_view("tiger"));
  Secret& alias = secret;
  secret = std::move(alias);
  EXPECT_EQ(secret.reveal(), "tiger");
}

TEST(Secret, WipesTheStringItTakesOver) {
  std::string text = "a secret that is too long for the small buffer of a string";
  const char* bytes = text.data();
  std::size_t length = text.size();
  Secret secret(std::move(text));
  EXPECT_TRUE(text.empty());  // NOLINT(bugprone-use-after-move): that is the point
  for (std::size_t i = 0; i < length; ++i) ASSERT_EQ(bytes[i], '\0') << "byte " << i;
}

TEST(Secret, TakesAnotherTextIntoTheMemoryThatItHas) {
  Secret secret(std::string_view("a longer text"));
  const char* const bytes = secret.reveal().data();
  secret.assign("tiger");
  EXPECT_EQ(secret.reveal(), "tiger");
  EXPECT_EQ(secret.reveal().data(), bytes);
  EXPECT_EQ(std::string_view(bytes, 13), std::string_view("tiger\0\0\0\0\0\0\0\0", 13)) << "wiped";
  secret.assign("a text that is longer still");
  EXPECT_EQ(secret.reveal(), "a text that is longer still");
  secret.assign("");
  EXPECT_TRUE(secret.empty());
}

TEST(Secret, ComparesWithText) {
  Secret secret(std::string_view("tiger"));
  EXPECT_TRUE(secret.same_as("tiger"));
  EXPECT_FALSE(secret.same_as("tigers"));
  EXPECT_FALSE(secret.same_as("Tiger"));
  EXPECT_FALSE(secret.same_as(""));
  EXPECT_TRUE(Secret().same_as(""));
}

}  // namespace
}  // namespace hufu
