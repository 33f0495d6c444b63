#include "platform/description_testing.hpp"

namespace hufu::platform::testing {
namespace {

/// All that a kind's behaviour is made of, but for what catalog_json shows.
std::string behaviour_of(const KindDescription& kind) {
  std::string text = request_of(kind.issue) + kind.answer.token + kind.answer.lifetime;
  for (const auto& [code, mapping] : kind.errors) text += code + mapping.words + mapping.fix;
  if (kind.probe) {
    text += request_of(kind.probe->call);
    for (const std::string& code : kind.probe->dead) text += code;
  }
  return text + kind.drop_in->path + kind.drop_in->success;
}

TEST(Lark, IsFeishuUnderAnotherNameAndAddress) {
  const PlatformDescription& lark = described("lark");
  const PlatformDescription& feishu = described("feishu");
  EXPECT_EQ(lark.title, "Lark");
  EXPECT_EQ(lark.base_url, "https://open.larksuite.com");
  EXPECT_EQ(feishu.base_url, "https://open.feishu.cn");
  EXPECT_EQ(lark.drop_in_failures.body, feishu.drop_in_failures.body);
  ASSERT_EQ(lark.kinds.size(), feishu.kinds.size());
  for (std::size_t i = 0; i < lark.kinds.size(); ++i) {
    EXPECT_EQ(lark.kinds[i].name, feishu.kinds[i].name);
    EXPECT_EQ(behaviour_of(lark.kinds[i]), behaviour_of(feishu.kinds[i]));
  }
}

}  // namespace
}  // namespace hufu::platform::testing
