#pragma once

#include <string_view>

namespace hufu::simulator {

/// The lines of tokens and tickets of an app, one for each page that makes them. None touches
/// another.
enum class Family {
  normal,          ///< Access tokens of /cgi-bin/token.
  stable,          ///< Access tokens of /cgi-bin/stable_token.
  jsapi_ticket,    ///< Tickets of type=jsapi.
  wx_card_ticket,  ///< Tickets of type=wx_card.

  wecom,                ///< Of an agent, /cgi-bin/gettoken.
  wecom_provider,       ///< Provider tokens, /cgi-bin/service/get_provider_token.
  wecom_jsapi_ticket,   ///< /cgi-bin/get_jsapi_ticket.
  wecom_agent_ticket,   ///< /cgi-bin/ticket/get, type=agent_config.
  feishu_tenant,        ///< Tenant tokens, and Lark's.
  feishu_app,           ///< App tokens, and Lark's.
  feishu_jsapi_ticket,  ///< And Lark's.
  dingtalk,
  dingtalk_jsapi_ticket,
  dingtalk_classic,               ///< /gettoken.
  dingtalk_classic_jsapi_ticket,  ///< /get_jsapi_ticket.
  douyin,                         ///< Of a mini app.
  douyin_client,                  ///< /oauth/client_token/.
  douyin_stable_client,           ///< /oauth/stable_client_token/.
  qq,                             ///< Of a mini program.
  qq_bot,
  baidu,
  kuaishou,
};
bool is_ticket(Family family) noexcept;
bool is_wecom(Family family) noexcept;
std::string_view name_of(Family family) noexcept;

}  // namespace hufu::simulator
