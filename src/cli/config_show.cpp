#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/command.hpp"

namespace hufu::cli {
namespace {

ExitStatus show(const Context& context) {
  auto loaded = context.config();
  if (!loaded) return context.fail(loaded.error());

  if (context.json) {
    boost::json::array values;
    for (const config::Setting& setting : config::effective(*loaded)) {
      values.push_back(
          {{"key", setting.key}, {"value", setting.value}, {"origin", setting.origin.text()}});
    }
    const std::string& file = loaded->file;
    print_json(context.out(),
               {{"file", file.empty() ? boost::json::value() : file.c_str()}, {"values", values}});
    return ExitStatus::done;
  }
  Table table({"KEY", "VALUE", "ORIGIN"});
  for (const config::Setting& setting : config::effective(*loaded)) {
    table.add({setting.key, setting.value.empty() ? "-" : setting.value, setting.origin.text()});
  }
  table.print(context.out(), context.out_paint());
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return show(context); };
}

}  // namespace

extern const Command kConfigShow;
constinit const Command kConfigShow = {
    "config show",
    "Prints every value in effect and where it came from, secrets masked",
    "hufu config show\nhufu config show --json",
    declare,
};

}  // namespace hufu::cli
