#pragma once

#include "platform/description.hpp"

namespace hufu::platform {

/// GET /cgi-bin/token: every call makes a new access token, and the one before lives about five
/// minutes longer.
/// https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html
Description wechat_classic();

/// POST /cgi-bin/stable_token: the same access token until its last five minutes, unless forced;
/// isolated from the classic one.
/// https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
Description wechat_stable();

}  // namespace hufu::platform
