#pragma once

#include <vector>

#include "platform/description.hpp"

/// What the message push of WeChat and of WeCom is signed and encrypted with.
/// https://developer.work.weixin.qq.com/document/path/90930
namespace hufu::platform::descriptions {

inline std::vector<CredentialDescription> push_credentials() {
  using Characters = UsualForm::Characters;
  const UsualForm aes_key{{}, 43, 44, Characters::any};
  return {{.name = "callback_token",
           .required = false,
           .form = {{}, 3, 32, Characters::letters_and_digits},
           .meaning = "the Token of the message push, which its signatures are made with"},
          {.name = "aes_key",
           .required = false,
           .form = aes_key,
           .meaning = "the EncodingAESKey of the message push"},
          {.name = "previous_aes_key",
           .required = false,
           .form = aes_key,
           .meaning = "the EncodingAESKey before that one, while pushes under it still come"}};
}

}  // namespace hufu::platform::descriptions
