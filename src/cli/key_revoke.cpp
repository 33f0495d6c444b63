#include <boost/json/object.hpp>
#include <memory>
#include <ostream>

#include "cli/command.hpp"
#include "cli/local.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

ExitStatus revoke(const std::string& name, const Context& context) {
  auto local = open_store_itself(context);
  if (!local) return context.fail(local.error());
  auto revoked = store::await<Result<bool>>(
      [&](auto done) { (*local)->registry().revoke_key(name, std::move(done)); });
  if (!revoked) return context.fail(revoked.error());
  if (!*revoked) {
    // Not repeated: somebody may have given the key in place of its name.
    return context.fail(Error{Fault::unknown_app,
                              "there is no key of that name",
                              "See which there are: hufu key list",
                              {},
                              {}});
  }
  if (context.json) {
    print_json(context.out(), {{"revoked", name}});
  } else {
    context.out() << "revoked " << printable(name) << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto name = std::make_shared<std::string>();
  parameters.argument("NAME", *name, "Whose key it is").required();
  return [name, &context] { return revoke(*name, context); };
}

}  // namespace

extern const Command kKeyRevoke;
constinit const Command kKeyRevoke = {
    "key revoke",
    "Takes a key back; running servers know within a second",
    "hufu key revoke shop",
    declare,
};

}  // namespace hufu::cli
