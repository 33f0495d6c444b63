#include "platform/descriptions/open_apis.hpp"

namespace hufu::platform::descriptions {

PlatformDescription lark() {
  return open_apis::platform("lark", "Lark", "https://open.larksuite.com");
}

}  // namespace hufu::platform::descriptions
