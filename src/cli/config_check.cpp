#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ostream>
#include <vector>

#include "cli/command.hpp"

namespace hufu::cli {
namespace {

boost::json::array shown(const std::vector<Error>& errors) {
  boost::json::array all;
  for (const Error& error : errors) {
    all.push_back({{"message", error.message}, {"next_step", error.next_step}});
  }
  return all;
}

ExitStatus check(const Context& context) {
  config::Examined examined = config::examine(context.sources);
  const std::string& file = examined.loaded.file;

  if (context.json) {
    print_json(context.out(), {{"ok", examined.problems.empty()},
                               {"file", file.empty() ? boost::json::value() : file.c_str()},
                               {"problems", shown(examined.problems)},
                               {"warnings", shown(examined.loaded.warnings)}});
  }
  for (const Error& warning : examined.loaded.warnings) {
    context.note(warning.message, warning.next_step);
  }
  for (const Error& problem : examined.problems) context.fail(problem);
  if (!examined.problems.empty()) return ExitStatus::config;

  if (!context.json) {
    std::size_t apps = examined.loaded.config.apps.size();
    context.out() << context.out_paint().green("ok") << ": "
                  << (file.empty() ? "no file, defaults and environment" : printable(file)) << ", "
                  << apps << (apps == 1 ? " app" : " apps") << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return check(context); };
}

}  // namespace

extern const Command kConfigCheck;
constinit const Command kConfigCheck = {
    "config check",
    "Says what is wrong with the configuration, and what to write instead",
    "hufu config check\nhufu config check --config /etc/hufu/hufu.toml --json",
    declare,
};

}  // namespace hufu::cli
