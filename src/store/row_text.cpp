#include "store/row_text.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace hufu::store {
namespace {

constexpr std::pair<bool Rights::*, std::string_view> kRights[] = {
    {&Rights::see, "see"},         {&Rights::read, "read"},       {&Rights::report, "report"},
    {&Rights::refresh, "refresh"}, {&Rights::gateway, "gateway"}, {&Rights::admin, "admin"}};

}  // namespace

std::string text_of(const Rights& rights) {
  std::string text;
  for (auto [right, name] : kRights) {
    if (!(rights.*right)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

Rights rights_from(std::string_view text) {
  Rights rights;
  for (auto [right, name] : kRights) {
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = std::min(text.find(',', at), text.size());
      if (text.substr(at, end - at) == name) rights.*right = true;
      at = end + 1;
    }
  }
  return rights;
}

std::string text_of(const std::vector<std::string>& apps) {
  return apps.empty() ? std::string() : boost::json::serialize(boost::json::value_from(apps));
}

std::optional<std::vector<std::string>> apps_from(std::string_view text) {
  std::vector<std::string> apps;
  if (text.empty()) return apps;
  boost::system::error_code error;
  boost::json::value list = boost::json::parse(text, error);
  if (error || !list.is_array() || list.get_array().empty()) return std::nullopt;
  for (const auto& app : list.get_array()) {
    if (!app.is_string()) return std::nullopt;
    apps.emplace_back(std::string_view(app.get_string()));
  }
  return apps;
}

Error damaged_api_key(std::string_view name) {
  return {Fault::store,
          "the API key " + std::string(name) + " in the database cannot be read",
          "revoke it and make a new one",
          {},
          {}};
}

}  // namespace hufu::store
