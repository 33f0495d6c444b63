#include "platform/descriptions/open_apis.hpp"

namespace hufu::platform::descriptions {

PlatformDescription feishu() {
  return open_apis::platform("feishu", "Feishu", "https://open.feishu.cn");
}

}  // namespace hufu::platform::descriptions
