#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "cli/secret_input.hpp"
#include "config/app_rules.hpp"
#include "platform/app_check.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

struct Options {
  std::string id;
  std::string platform = AppConfig().platform;
  std::string endpoint;
  std::vector<std::string> settings;     ///< "NAME=VALUE"
  std::vector<std::string> credentials;  ///< "NAME=file:PATH" or "NAME=env:VARIABLE"
  std::string parent;
  std::vector<std::string> keep;
  bool no_secret_login = false;
  std::string legacy_document;
  std::string legacy_collection{kLegacyCollection};
  SecretFlags secret;
};

/// "NAME=VALUE" taken apart.
Result<std::pair<std::string, std::string>> pair_of(const std::string& text, const char* option,
                                                    const char* form) {
  const auto equals = text.find('=');
  if (equals != std::string::npos && equals > 0) {
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  }
  return fail(Fault::usage, std::string(option) + " takes " + form, "See hufu app add --help");
}

Result<void> read_settings(const Options& options, AppConfig& app) {
  for (const std::string& text : options.settings) {
    auto pair = pair_of(text, "--set", "NAME=VALUE");
    if (!pair) return tl::unexpected(pair.error());
    app.settings.insert_or_assign(std::move(pair->first), std::move(pair->second));
  }
  if (!options.endpoint.empty()) app.settings.insert_or_assign("endpoint", options.endpoint);
  return {};
}

/// Names of files and variables are not repeated: they may be the secret, misplaced.
Result<void> read_credentials(const Options& options, const Context& context, AppConfig& app) {
  constexpr const char* kForm = "NAME=file:PATH or NAME=env:VARIABLE";
  for (const std::string& text : options.credentials) {
    auto pair = pair_of(text, "--credential", kForm);
    if (!pair) return tl::unexpected(pair.error());
    SecretFlags place;
    if (pair->second.starts_with("file:")) place.file = pair->second.substr(5);
    if (pair->second.starts_with("env:")) place.variable = pair->second.substr(4);
    if (place.file.empty() && place.variable.empty()) {
      return fail(Fault::usage, std::string("--credential takes ").append(kForm),
                  "A credential is never an argument: every user of a machine can read those");
    }
    auto secret = read_secret(place, context);
    if (!secret) return tl::unexpected(secret.error());
    app.credentials.insert_or_assign(std::move(pair->first), std::move(*secret));
  }
  const SecretFlags& own = options.secret;
  if (options.credentials.empty() || own.from_stdin || !own.file.empty() || !own.variable.empty()) {
    auto secret = read_secret(own, context);
    if (!secret) return tl::unexpected(secret.error());
    app.credentials.insert_or_assign(std::string(kSecret), std::move(*secret));
  }
  return {};
}

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
  AppConfig app;
  app.id = options.id;
  app.platform = options.platform;
  app.parent = options.parent;
  app.keep = options.keep;
  app.secret_login = !options.no_secret_login;
  if (auto read = read_settings(options, app); !read) return tl::unexpected(read.error());
  if (auto read = read_credentials(options, context, app); !read) {
    return tl::unexpected(read.error());
  }
  if (!options.legacy_document.empty()) {
    app.legacy_document = options.legacy_document;
    app.legacy_collection = options.legacy_collection;
  }
  return app;
}

/// What the platform's description says no to is refused; what merely looks damaged is told.
Result<void> examine(const AppConfig& app, const Context& context) {
  const auto loaded = context.config();
  const platform::Catalog catalog =
      loaded ? platform::Catalog(loaded->config) : platform::Catalog();
  for (platform::AppProblem& problem : platform::check_app(catalog, app)) {
    return tl::unexpected(platform::named(std::move(problem)));
  }
  if (const auto* described = catalog.find(app.platform)) {
    for (platform::AppProblem& problem : platform::find_damage_in(*described, app)) {
      const Error damage = platform::named(std::move(problem));
      context.note(damage.message, damage.next_step);
    }
  }
  return {};
}

ExitStatus add(const Options& options, const Context& context) {
  auto app = app_from(options, context);
  if (!app) return context.fail(app.error());
  if (auto fine = examine(*app, context); !fine) return context.fail(fine.error());
  keeper::AppInfo info;
  info.id = app->id;
  info.platform = app->platform;
  info.settings = app->settings;
  for (const auto& [name, secret] : app->credentials) info.credentials.push_back(name);
  info.parent = app->parent;
  info.keep = app->keep;
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

/// ": ONE or ANOTHER", those of the platform that an app is of unless it says otherwise.
std::string usual_endpoints() {
  const platform::Catalog catalog;
  const auto* described = catalog.find(AppConfig().platform);
  const auto* endpoint =
      described == nullptr ? nullptr : platform::find_setting(*described, "endpoint");
  std::string words;
  if (endpoint == nullptr) return words;
  for (const std::string& value : endpoint->values)
    words += (words.empty() ? ": " : " or ") + value;
  return words;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->id, "The app's id").required();
  parameters.option("--platform", options->platform, "Whose app it is").show_default();
  parameters
      .option("--endpoint", options->endpoint, "The same as --set endpoint=…" + usual_endpoints())
      .show_default("the platform's default");
  parameters
      .option("--set", options->settings,
              "A setting of its platform (`hufu platforms`); repeatable")
      .value("NAME=VALUE");
  parameters
      .option("--credential", options->credentials,
              "A credential beside its secret, from a file or a variable; repeatable")
      .value("NAME=file:F|env:N");
  parameters.option("--parent", options->parent, "The app that it belongs to").value("APP");
  parameters.option("--keep", options->keep, "A kind to keep ahead beside the main one; repeatable")
      .value("KIND");
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
