#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ostream>

#include "cli/command.hpp"
#include "config/text.hpp"

namespace hufu::cli {
namespace {

ExitStatus show(const Context& context) {
  const BuildInfo& build = context.build();
  if (context.json) {
    print_json(context.out(),
               {{"version", build.version},
                {"build", build.id},
                {"stores", boost::json::array(build.stores.begin(), build.stores.end())}});
    return ExitStatus::done;
  }
  context.out() << "hufu " << build.version << '\n'
                << "build   " << build.id << '\n'
                << "stores  " << config::listed({build.stores.begin(), build.stores.end()}) << '\n';
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return show(context); };
}

}  // namespace

extern const Command kVersion;
constinit const Command kVersion = {
    "version",
    "Prints the version, the build and the stores compiled in",
    "hufu version\nhufu version --json",
    declare,
};

}  // namespace hufu::cli
