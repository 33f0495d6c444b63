#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ostream>

#include "cli/command.hpp"

namespace hufu::cli {
namespace {

ExitStatus check(const Context& context) {
  config::Examined examined = config::examine(context.sources);
  const std::string& file = examined.loaded.file;

  if (context.json) {
    boost::json::array problems;
    for (const Error& problem : examined.problems) {
      problems.push_back({{"message", problem.message}, {"next_step", problem.next_step}});
    }
    print_json(context.out(), {{"ok", problems.empty()},
                               {"file", file.empty() ? boost::json::value() : file.c_str()},
                               {"problems", problems}});
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
