#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>

#include "config/fields.hpp"
#include "core/text.hpp"
#include "platform/catalog.hpp"

namespace hufu::config {
namespace {

/// One row of the page's tables, the quotes of Markdown removed.
struct Row {
  std::string type, fallback, environment, flag, meaning;
};

/// The rows of docs/configuration.md that describe a key.
std::map<std::string, Row> rows() {
  std::ifstream page(HUFU_DOCS "/configuration.md");
  EXPECT_TRUE(page);
  std::map<std::string, Row> result;
  for (std::string line; std::getline(page, line);) {
    std::vector<std::string> cells;
    for (std::size_t begin = line.starts_with("|") ? 1 : line.size(); begin < line.size();) {
      auto end = std::min(line.find('|', begin), line.size());
      std::string_view cell = trimmed(std::string_view(line).substr(begin, end - begin));
      if (cell.size() > 2 && cell.starts_with('`') && cell.find('`', 1) == cell.size() - 1) {
        cell = cell.substr(1, cell.size() - 2);
      }
      cells.emplace_back(cell);
      begin = end + 1;
    }
    if (cells.size() != 6 || cells[0] == "key" || cells[0].starts_with("---")) continue;
    EXPECT_FALSE(result.contains(cells[0])) << cells[0] << " stands there twice";
    result[cells[0]] = {cells[1], cells[2], cells[3], cells[4], cells[5]};
  }
  return result;
}

/// The same out of the tables in the code.
template <class Target>
void add(std::map<std::string, Row>& rows, std::span<const Field<Target>> fields,
         const std::string& prefix, const Target& fallbacks) {
  for (const auto& field : fields) {
    View view = field.view(fallbacks);
    rows[prefix + std::string(field.name)] = {std::string(type_of(view)), show_value(view),
                                              std::string(field.environment),
                                              std::string(field.flag), std::string(field.meaning)};
  }
}

/// What the catalog says about apps of the platform that an app is of unless it says otherwise.
/// What those of other platforms have, `hufu platforms NAME` tells.
void add_usual_platform(std::map<std::string, Row>& rows) {
  const platform::Catalog catalog;
  const platform::PlatformDescription& usual = *catalog.find(AppConfig().platform);
  auto variable = [&](std::string name) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return usual.environment.empty() ? "" : usual.environment + "_" + name;
  };
  for (const platform::SettingDescription& setting : usual.settings) {
    rows["app." + setting.name] = {"text", setting.fallback, variable(setting.name), "", ""};
  }
  for (const platform::CredentialDescription& credential : usual.credentials) {
    const bool secret = credential.name == kSecret;
    rows["app." + credential.name] = {"table", "", secret ? variable("APPSECRET") : "", "", ""};
  }
}

std::map<std::string, Row> known() {
  Config config;
  std::map<std::string, Row> result;
  add(result, settings(), "", config);
  const Timing usual;
  add(result, timing_fields(), "timing.",
      TimingOverrides{usual.use_slack, usual.refresh_ahead, usual.overlap, usual.lease,
                      usual.request_timeout});
  add(result, platform_fields(), "platform.NAME.", PlatformConfig());
  add(result, custom_platform_fields(), "platform.NAME.", CustomPlatform());
  add(result, probe_fields(), "platform.NAME.probe.", CustomProbe());
  add(result, app_fields(), "app.", AppConfig());
  add(result, sink_fields(), "app.sink.", SinkConfig());
  add_usual_platform(result);
  result["app.sink.password"] = {"table", "", "", "", ""};
  result["app.id"].environment = "WECHAT_APPID";
  result["platform.NAME.base_url"].environment = "WECHAT_BASE_URL";
  result["store_password"] = {"table", "", "HUFU_STORE_PASSWORD", "", ""};
  result["base_path"].fallback = "empty";
  result["store"].fallback = "see below";
  result["key_file"].fallback = "see below";
  result["platform.NAME.default_lifetime"].fallback = "";
  result["platform.NAME.overlap"].fallback = "";
  result["platform.NAME.window"].fallback = "";
  return result;
}

TEST(ReferencePage, DescribesEveryKeyAsItIs) {
  auto page = rows();
  for (const auto& [key, expected] : known()) {
    ASSERT_TRUE(page.contains(key)) << key << " is missing in docs/configuration.md";
    EXPECT_EQ(page[key].type, expected.type) << key;
    EXPECT_EQ(page[key].fallback, expected.fallback) << key;
    EXPECT_EQ(page[key].environment, expected.environment) << key;
    EXPECT_EQ(page[key].flag, expected.flag) << key;
    EXPECT_FALSE(page[key].meaning.empty()) << key;
  }
}

TEST(ReferencePage, DescribesNothingElse) {
  auto keys = known();
  for (const auto& [key, row] : rows()) EXPECT_TRUE(keys.contains(key)) << key;
}

}  // namespace
}  // namespace hufu::config
