#include <boost/json/value.hpp>
#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"

namespace hufu::cli {
namespace {

struct Told {
  std::string_view name;
  std::string_view words;
};
constexpr Told told(Trial trial) {
  switch (trial) {
    case Trial::alive:
      return {"alive", "the platform accepts the credentials; nothing was renewed"};
    case Trial::fetched: return {"fetched", "the platform gave a new token"};
    case Trial::renewed:
      return {"renewed", "the stored token was dead; the platform gave a new one"};
  }
  return {};
}

Result<Trial> ask(Backend& backend, const std::string& id, const Context& context) {
  auto progress = context.progress("Asking the platform");
  return backend.try_app(id);
}

ExitStatus test(const std::string& id, const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto trial = ask(**backend, id, context);
  if (!trial) return context.fail(trial.error());
  if (context.json) {
    print_json(context.out(), {{"app", id}, {"outcome", told(*trial).name}});
  } else {
    context.out() << context.out_paint().green("ok") << ": " << printable(id) << ": "
                  << told(*trial).words << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto id = std::make_shared<std::string>();
  parameters.argument("APP", *id, "Which app").required();
  return [id, &context] { return test(*id, context); };
}

}  // namespace

extern const Command kAppTest;
constinit const Command kAppTest = {
    "app test",
    "Lets the platform judge an app's credentials, without renewing a token that works",
    "hufu app test wx0123456789abcdef",
    declare,
};

}  // namespace hufu::cli
