#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <ostream>

#include "cli/command.hpp"
#include "cli/key_rights.hpp"
#include "cli/local.hpp"
#include "config/app_rules.hpp"
#include "config/text.hpp"
#include "server/api_key.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

constexpr int kLargestMargin = 3600;

struct Options {
  std::string name;
  std::vector<std::string> apps;
  std::vector<std::string> rights = {"read", "report"};
  int margin = 0;  ///< In seconds.
};

/// A name stands in lists and logs, so it is one word.
Result<void> check_name(const std::string& name) {
  bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!name.empty() && name.size() <= 128 && printable) return {};
  return fail(Fault::usage, config::quoted(name) + " is not a name of a key",
              "Use 1 to 128 printable ASCII characters without spaces");
}

/// The app that an argument of --app is about: "PARENT/" opens the children of PARENT.
std::string app_in(const std::string& opened) {
  return opened.ends_with('/') ? opened.substr(0, opened.size() - 1) : opened;
}

Result<store::ApiKeyRow> row_from(const Options& options) {
  if (auto checked = check_name(options.name); !checked) return tl::unexpected(checked.error());
  for (const std::string& opened : options.apps) {
    auto checked = config::check_app_id(app_in(opened));
    if (!checked) return tl::unexpected(checked.error());
  }
  auto rights = rights_from(options.rights);
  if (!rights) return tl::unexpected(rights.error());
  store::ApiKeyRow row;
  row.name = options.name;
  row.apps = options.apps;
  row.rights = *rights;
  row.margin = std::chrono::seconds(options.margin);
  return row;
}

/// A mistyped app would make a key that opens nothing; but the app may be added later, or stand in
/// a configuration that only the server reads.
void warn_of_unknown_apps(Local& local, const store::ApiKeyRow& row, const Context& context) {
  for (const std::string& opened : row.apps) {
    const std::string app = app_in(opened);
    auto known = local.app(app);
    if (known || known.error().fault != Fault::unknown_app) continue;
    context.err() << context.err_paint().yellow("warning:") << " no app " << printable(app)
                  << " is known here yet\n";
  }
}

void print(const store::ApiKeyRow& row, const Secret& key, const Context& context) {
  if (!context.json) {
    context.out() << key.reveal() << '\n';
    return;
  }
  const auto can = names_of(row.rights);
  print_json(context.out(), {{"name", row.name},
                             {"key", key.reveal()},
                             {"apps", boost::json::array(row.apps.begin(), row.apps.end())},
                             {"can", boost::json::array(can.begin(), can.end())},
                             {"margin", row.margin.count()}});
}

/// Takes back a key that could not be printed; what to tell about it.
Error revoke_unread(Local& local, const std::string& name) {
  auto revoked = store::await<Result<bool>>(
      [&](auto done) { local.registry().revoke_key(name, std::move(done)); });
  Error error{Fault::internal,
              "standard output cannot be written, so the key was revoked again",
              "Check the disk or the program that reads it, and create the key again",
              {},
              {}};
  if (!revoked) {
    error.message = "standard output cannot be written, and the key could not be revoked: " +
                    revoked.error().message;
    error.next_step = "Nobody has this key; remove it: hufu key revoke " + name;
  }
  return error;
}

ExitStatus create(const Options& options, const Context& context) {
  auto row = row_from(options);
  if (!row) return context.fail(row.error());
  auto local = open_store_itself(context);
  if (!local) return context.fail(local.error());
  if (auto lasts = (*local)->must_last(); !lasts) return context.fail(lasts.error());
  warn_of_unknown_apps(**local, *row, context);

  auto made = server::make_api_key();
  if (!made) return context.fail(made.error());
  row->hash = made->hash;
  auto put = store::await<Result<bool>>(
      [&](auto done) { (*local)->registry().put_key(*row, std::move(done)); });
  if (!put) return context.fail(put.error());
  if (!*put) {
    return context.fail(
        Error{Fault::usage,
              "there is a key named " + options.name + " already",
              "Take another name, or revoke that one: hufu key revoke " + options.name,
              {},
              {}});
  }
  print(*row, made->key, context);
  // A key that nobody has read would stay valid, and its name taken.
  if (!context.out().flush()) return context.fail(revoke_unread(**local, options.name));
  context.err() << "Keep this key: it cannot be shown again.\n";
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto options = std::make_shared<Options>();
  parameters.argument("NAME", options->name, "Whose key it is").required();
  parameters
      .option("--app", options->apps,
              "Opens this app only, or with a slash behind it (PARENT/) the apps that belong "
              "to it; may be repeated")
      .value("APP");
  parameters
      .option("--can", options->rights,
              "What it allows: see, read, report, refresh, gateway, admin")
      .value("RIGHTS")
      .separated_by(',')
      .show_default("read,report");
  parameters
      .option("--margin", options->margin,
              "Added to the expires_in that the platforms' own routes answer this key with, for an "
              "SDK that takes as much off")
      .value("SECONDS")
      .between(0, kLargestMargin);
  return [options, &context] { return create(*options, context); };
}

}  // namespace

extern const Command kKeyCreate;
constinit const Command kKeyCreate = {
    "key create",
    "Makes a key of a business server, and prints it once",
    "hufu key create shop\n"
    "hufu key create shop --app wx0123456789abcdef --can read,report,refresh\n"
    "hufu key create shop --margin 1500",
    declare,
};

}  // namespace hufu::cli
