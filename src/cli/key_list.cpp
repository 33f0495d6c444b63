#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ostream>

#include "cli/command.hpp"
#include "cli/key_rights.hpp"
#include "cli/local.hpp"
#include "config/text.hpp"
#include "server/json.hpp"
#include "store/blocking.hpp"

namespace hufu::cli {
namespace {

/// As everywhere in JSON, without the quotes.
std::string date(WallTime time) {
  std::string text;
  server::append_time(text, time);
  return text.substr(1, text.size() - 2);
}

boost::json::array array(const std::vector<std::string>& words) {
  boost::json::array all(words.begin(), words.end());
  return all;
}

std::string joined(const std::vector<std::string>& words) {
  return config::listed({words.begin(), words.end()});
}

std::string margin(const store::ApiKeyRow& key) {
  return key.margin.count() == 0 ? "-" : std::to_string(key.margin.count()) + " s";
}

ExitStatus list(const Context& context) {
  auto local = open_store_itself(context);
  if (!local) return context.fail(local.error());
  auto keys = store::await<Result<std::vector<store::ApiKeyRow>>>(
      [&](auto done) { (*local)->registry().list_keys(std::move(done)); });
  if (!keys) return context.fail(keys.error());

  if (context.json) {
    boost::json::array all;
    for (const store::ApiKeyRow& key : *keys) {
      all.push_back({{"name", key.name},
                     {"apps", array(key.apps)},
                     {"can", array(names_of(key.rights))},
                     {"margin", key.margin.count()},
                     {"created_at", date(key.created_at)}});
    }
    print_json(context.out(), {{"keys", all}});
    return ExitStatus::done;
  }
  Table table({"NAME", "APPS", "CAN", "MARGIN", "CREATED"});
  for (const store::ApiKeyRow& key : *keys) {
    table.add({key.name, key.apps.empty() ? "all" : joined(key.apps), joined(names_of(key.rights)),
               margin(key), date(key.created_at)});
  }
  table.print(context.out(), context.out_paint());
  if (keys->empty()) {
    context.note("there is no key yet",
                 "Make one for each business server: `hufu key create NAME`");
  }
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return list(context); };
}

}  // namespace

extern const Command kKeyList;
constinit const Command kKeyList = {
    "key list",
    "Lists the keys of business servers and what each allows",
    "hufu key list\nhufu key list --json",
    declare,
};

}  // namespace hufu::cli
