#include <limits>
#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

struct Options {
  std::string app;
  std::string kind;  ///< Empty: the platform's main one.
  int min_ttl = 0;
};

Result<Grant> ask(Backend& backend, const Options& options, const Context& context) {
  auto progress = context.progress("Waiting for the token");
  auto app = app_or_only(backend, options.app);
  if (!app) return tl::unexpected(app.error());
  return backend.get(Key{*app, options.kind}, std::chrono::seconds(options.min_ttl));
}

ExitStatus get(const Options& options, const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto grant = ask(**backend, options, context);
  if (!grant) return context.fail(grant.error());

  if (context.json) {
    context.out() << server::to_json(*grant) << '\n';
  } else {
    context.out() << grant->token.reveal() << '\n';
  }
  // A stale token is used at once, while the renewal that asking for it has started goes on.
  context.out().flush();
  auto progress = context.progress("Finishing the renewal");
  backend->reset();
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->app, "Which app; may be left out when there is only one");
  parameters.option("--kind", options->kind, "What is wanted")
      .show_default("the main kind of the platform");
  parameters
      .option("--min-ttl", options->min_ttl,
              "A wish: renew a stale token first if it lasts less than so many seconds")
      .value("SECONDS")
      .between(0, std::numeric_limits<int>::max());
  return [options, &context] { return get(*options, context); };
}

}  // namespace

extern const Command kGet;
constinit const Command kGet = {
    "get",
    "Prints a token that works",
    "hufu get\nhufu get wx0123456789abcdef --min-ttl 600\nhufu get --json",
    declare,
};

}  // namespace hufu::cli
