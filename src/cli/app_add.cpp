#include <memory>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "cli/secret_input.hpp"
#include "config/app_rules.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

struct Options {
  std::string id;
  std::string platform = "wechat";
  std::string endpoint = "stable";
  bool no_secret_login = false;
  std::string legacy_document;
  std::string legacy_collection{kLegacyCollection};
  SecretFlags secret;
};

Result<AppConfig> app_from(const Options& options, const Context& context) {
  if (auto checked = config::check_app_id(options.id); !checked) {
    return tl::unexpected(checked.error());
  }
  if (!options.legacy_document.empty()) {
    // Whether the store keeps any is for whoever opens it to say.
    auto checked = config::check_legacy_document(options.legacy_document, options.legacy_collection,
                                                 "mongodb:");
    if (!checked) return tl::unexpected(checked.error());
  }
  auto secret = read_secret(options.secret, context);
  if (!secret) return tl::unexpected(secret.error());
  AppConfig app;
  app.id = options.id;
  app.platform = options.platform;
  app.settings["endpoint"] = options.endpoint;
  app.credentials.emplace(kSecret, std::move(*secret));
  app.secret_login = !options.no_secret_login;
  if (!options.legacy_document.empty()) {
    app.legacy_document = options.legacy_document;
    app.legacy_collection = options.legacy_collection;
  }
  return app;
}

ExitStatus add(const Options& options, const Context& context) {
  auto app = app_from(options, context);
  if (!app) return context.fail(app.error());
  keeper::AppInfo info;
  info.id = app->id;
  info.platform = app->platform;
  info.settings = app->settings;
  info.secret_login = app->secret_login;
  info.legacy_document = app->legacy_document;
  info.legacy_collection = app->legacy_collection;

  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto replaced = (*backend)->put_app(std::move(*app));
  if (!replaced) return context.fail(replaced.error());
  if (context.json) {
    context.out() << server::to_json(info) << '\n';
  } else {
    context.out() << (*replaced ? "replaced " : "added ") << info.id << '\n';
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->id, "The app's id").required();
  parameters.option("--platform", options->platform, "Whose app it is").show_default();
  parameters.option("--endpoint", options->endpoint, "stable, or classic").show_default();
  add_secret_flags(parameters, options->secret);
  parameters.flag("--no-secret-login", options->no_secret_login,
                  "Do not let the app's real secret open the platform's routes, only keys");
  auto document = parameters.option(
      "--legacy-document", options->legacy_document,
      "Keep the document of this name up to date for programs that read tokens from "
      "MongoDB, in the clear");
  parameters.option("--legacy-collection", options->legacy_collection, "The collection it lies in")
      .show_default()
      .needs(document);
  return [options, &context] { return add(*options, context); };
}

}  // namespace

extern const Command kAppAdd;
constinit const Command kAppAdd = {
    "app add",
    "Keeps an app in the store, in place of the one of that id",
    "hufu app add wx0123456789abcdef --secret-stdin < secret.txt\n"
    "hufu app add wx0123456789abcdef --endpoint classic --secret-env WECHAT_APPSECRET",
    declare,
};

}  // namespace hufu::cli
