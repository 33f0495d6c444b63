#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "config/app_rules.hpp"
#include "hufu/secret.hpp"
#include "platform/app_check.hpp"
#include "platform/catalog.hpp"
#include "platform/wiping_memory.hpp"
#include "server/app_request.hpp"

namespace hufu::cli {
namespace {

namespace json = boost::json;

/// No app takes more; a line that does is not read to its end.
constexpr std::size_t kLongestLine = 64 * 1024;

struct Counts {
  std::size_t added = 0;
  std::size_t replaced = 0;
};

/// Says which line is to blame.
Error in_line(std::size_t number, Error error) {
  error.message = "line " + std::to_string(number) + ": " + error.message;
  return error;
}

/// An app from its line, in memory that is wiped.
Result<AppConfig> app_from(const platform::Catalog& catalog, const std::string& line) {
  platform::WipingMemory memory;
  boost::system::error_code failure;
  const json::value value = json::parse(line, failure, json::storage_ptr(&memory));
  if (failure || !value.is_object()) {
    return fail(Fault::usage, "it is not a JSON object",
                "Write one app a line, as PUT /v1/apps/{app} takes it, with its \"id\"");
  }
  const json::value* id = value.get_object().if_contains("id");
  if (id == nullptr || !id->is_string()) {
    return fail(Fault::usage, "it has no id", "Write \"id\": \"wx…\": the platform's AppID");
  }
  const std::string name(std::string_view(id->get_string()));
  if (auto good = config::check_app_id(name); !good) return tl::unexpected(good.error());
  // Whether it needs its credentials is for the store to say: an app that is there keeps its own.
  return server::app_from(catalog, name, value.get_object(), true);
}

/// What merely looks damaged is told, and kept.
void tell_damage(const Context& context, const platform::Catalog& catalog, std::size_t number,
                 const AppConfig& app) {
  const platform::PlatformDescription* described = catalog.find(app.platform);
  if (described == nullptr) return;
  for (platform::AppProblem& problem : platform::find_damage_in(*described, app)) {
    const Error error = in_line(number, platform::named(std::move(problem)));
    context.note(error.message, error.next_step);
  }
}

/// Whether reading ended in an error. std::cin itself cannot tell: it reads what C's stdin has.
bool has_failed(const std::istream& input) {
  return input.bad() || (&input == &std::cin && std::ferror(stdin) != 0);
}

Error unreadable() {
  return {Fault::usage,
          "the file cannot be read",
          "Name a file of JSON Lines, or - for standard input",
          {},
          {}};
}

Result<Counts> import(std::istream& input, const platform::Catalog& catalog, Backend& backend,
                      const Context& context) {
  Counts counts;
  std::string line;
  line.reserve(kLongestLine);
  std::size_t number = 1;
  for (; std::getline(input, line); ++number) {
    if (line.size() > kLongestLine) {
      return tl::unexpected(
          in_line(number, Error{Fault::usage, "it is longer than 64 KiB", "Shorten it", {}, {}}));
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto app = app_from(catalog, line);
    wipe(line);
    line.reserve(kLongestLine);
    if (!app) return tl::unexpected(in_line(number, std::move(app.error())));
    tell_damage(context, catalog, number, *app);
    auto replaced = backend.put_app(std::move(*app));
    if (!replaced) return tl::unexpected(in_line(number, std::move(replaced.error())));
    ++(*replaced ? counts.replaced : counts.added);
  }
  // A failed read ends the lines as the end of the file does.
  if (has_failed(input)) return tl::unexpected(in_line(number, unreadable()));
  return counts;
}

ExitStatus run(const std::string& name, const Context& context) {
  std::ifstream file;
  if (name != "-") {
    file.open(name);
    if (!file) return context.fail(unreadable());
  }
  const auto loaded = context.config();
  const auto catalog = loaded ? platform::Catalog(loaded->config) : platform::Catalog();
  auto backend = open_backend(context);
  if (!backend) return context.fail(backend.error());
  auto progress = context.progress("Importing");
  auto counts = import(name == "-" ? context.in() : file, catalog, **backend, context);
  if (!counts) return context.fail(counts.error());
  if (context.json) {
    print_json(context.out(), {{"added", counts->added}, {"replaced", counts->replaced}});
  } else {
    context.out() << counts->added << " added, " << counts->replaced << " replaced\n";
  }
  return ExitStatus::done;
}

Action declare(Parameters& parameters, Context& context) {
  auto name = std::make_shared<std::string>();
  parameters.argument("FILE", *name, "JSON Lines, one app a line; - for standard input").required();
  return [name, &context] { return run(*name, context); };
}

}  // namespace

extern const Command kAppImport;
constinit const Command kAppImport = {
    "app import",
    "Keeps many apps in the store, one JSON object a line",
    "hufu app import apps.jsonl\nhufu app import - < apps.jsonl",
    declare,
};

}  // namespace hufu::cli
