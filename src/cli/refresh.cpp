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
};

Result<keeper::Refreshed> ask(Backend& backend, const Options& options, const Context& context) {
  auto progress = context.progress("Renewing the token");
  auto app = app_or_only(backend, options.app);
  if (!app) return tl::unexpected(app.error());
  return backend.refresh(Key{*app, options.kind});
}

/// Whoever keeps an answer as long as its `expires_in` said does not hear of the renewal.
std::string words_on_older(const keeper::Refreshed& refreshed, const Context& context) {
  return refreshed.older_work_until && *refreshed.older_work_until > context.clock->wall()
             ? "tokens that were handed out before work for " +
                   in_words(*refreshed.older_work_until - context.clock->wall()) + " more"
             : "tokens that were handed out before do not work any more";
}

ExitStatus refresh(const Options& options, const Context& context) {
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto refreshed = ask(**backend, options, context);
  if (!refreshed) return context.fail(refreshed.error());
  const Grant* grant = &refreshed->grant;
  if (grant->revision > 1) {
    context.note(words_on_older(*refreshed, context), "restart clients that keep theirs longer");
  }
  if (context.json) {
    context.out() << server::to_json(*refreshed) << '\n';
  } else {
    context.out() << "renewed " << printable(grant->key.app) << ' ' << printable(grant->key.kind)
                  << ": revision " << grant->revision << ", fingerprint "
                  << grant->fingerprint.hex() << ", good for " << in_words(grant->expires_in)
                  << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->app, "Which app; may be left out when there is only one");
  parameters.option("--kind", options->kind, "What is to be renewed")
      .show_default("the main kind of the platform");
  return [options, &context] { return refresh(*options, context); };
}

}  // namespace

extern const Command kRefresh;
constinit const Command kRefresh = {
    "refresh",
    "Renews a token now, whatever is left of it",
    "hufu refresh wx0123456789abcdef",
    declare,
};

}  // namespace hufu::cli
