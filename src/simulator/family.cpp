#include "simulator/family.hpp"

#include <array>

namespace hufu::simulator {
namespace {

struct Row {
  Family family;
  std::string_view name;
  bool ticket = false;
};
constexpr std::array kRows = {
    Row{Family::normal, "normal"},
    Row{Family::stable, "stable"},
    Row{Family::jsapi_ticket, "jsapi_ticket", true},
    Row{Family::wx_card_ticket, "wx_card_ticket", true},
    Row{Family::wecom, "wecom"},
    Row{Family::wecom_provider, "wecom_provider"},
    Row{Family::wecom_jsapi_ticket, "wecom_jsapi_ticket", true},
    Row{Family::wecom_agent_ticket, "wecom_agent_ticket", true},
    Row{Family::feishu_tenant, "feishu_tenant"},
    Row{Family::feishu_app, "feishu_app"},
    Row{Family::feishu_jsapi_ticket, "feishu_jsapi_ticket", true},
    Row{Family::dingtalk, "dingtalk"},
    Row{Family::dingtalk_jsapi_ticket, "dingtalk_jsapi_ticket", true},
    Row{Family::dingtalk_classic, "dingtalk_classic"},
    Row{Family::dingtalk_classic_jsapi_ticket, "dingtalk_classic_jsapi_ticket", true},
    Row{Family::douyin, "douyin"},
    Row{Family::douyin_client, "douyin_client"},
    Row{Family::douyin_stable_client, "douyin_stable_client"},
    Row{Family::qq, "qq"},
    Row{Family::qq_bot, "qq_bot"},
    Row{Family::baidu, "baidu"},
    Row{Family::kuaishou, "kuaishou"},
};

constexpr Row row_of(Family family) noexcept {
  for (const Row& row : kRows)
    if (row.family == family) return row;
  return {family, "unknown"};
}

}  // namespace

bool is_ticket(Family family) noexcept { return row_of(family).ticket; }
bool is_wecom(Family family) noexcept {
  return family == Family::wecom || family == Family::wecom_provider ||
         family == Family::wecom_jsapi_ticket || family == Family::wecom_agent_ticket;
}
std::string_view name_of(Family family) noexcept { return row_of(family).name; }

}  // namespace hufu::simulator
