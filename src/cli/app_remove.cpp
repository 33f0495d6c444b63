#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"

namespace hufu::cli {
namespace {

ExitStatus remove(const std::string& id, const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  if (auto removed = (*backend)->remove_app(id); !removed) return context.fail(removed.error());
  if (context.json) {
    print_json(context.out(), {{"removed", id}});
  } else {
    context.out() << "removed " << printable(id) << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto id = std::make_shared<std::string>();
  parameters.argument("APP", *id, "Which app").required();
  return [id, &context] { return remove(*id, context); };
}

}  // namespace

extern const Command kAppRemove;
constinit const Command kAppRemove = {
    "app remove",
    "Removes an app and its tokens from the store",
    "hufu app remove wx0123456789abcdef",
    declare,
};

}  // namespace hufu::cli
