#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "cli/secret_input.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

/// As the platform's answers: no token is longer.
constexpr std::size_t kLongestToken = 4096;

struct Options {
  std::string app;
  std::string kind;  ///< Empty: the platform's main one.
};

Result<Report> tell(Backend& backend, const Options& options, const Secret& refused,
                    const Context& context) {
  auto progress = context.progress("Asking the platform about the token");
  auto app = app_or_only(backend, options.app);
  if (!app) return tl::unexpected(app.error());
  return backend.report(Key{*app, options.kind}, refused);
}

ExitStatus report(const Options& options, const Context& context) {
  auto refused = read_hidden(context, "refused token", kLongestToken);
  if (!refused) return context.fail(refused.error());
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto judged = tell(**backend, options, *refused, context);
  if (!judged) return context.fail(judged.error());

  if (context.json) {
    context.out() << server::to_json(*judged) << '\n';
  } else {
    context.out() << name_of(judged->outcome) << '\n';
  }
  return judged->outcome == ReportOutcome::throttled ? ExitStatus::not_now : ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->app, "Which app; may be left out when there is only one");
  parameters.option("--kind", options->kind, "What was refused")
      .show_default("the main kind of the platform");
  return [options, &context] { return report(*options, context); };
}

}  // namespace

extern const Command kReport;
constinit const Command kReport = {
    "report",
    "Tells that the token on standard input was refused, and prints what became of that",
    "hufu report wx0123456789abcdef < refused-token.txt",
    declare,
};

}  // namespace hufu::cli
