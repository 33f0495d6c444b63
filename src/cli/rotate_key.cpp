#include "store/opening/rotate_key.hpp"

#include <boost/json/object.hpp>
#include <ostream>

#include "cli/command.hpp"
#include "cli/local.hpp"
#include "store/key_file.hpp"
#include "store/opening/raw_store.hpp"

namespace hufu::cli {
namespace {

/// The id of the key that seals now; empty where nothing was ever sealed.
Result<std::string> active_key(const Config& config) {
  auto place = store::parse_store_uri(config.store);
  if (!place) return tl::unexpected(place.error());
  const std::string path = store::key_file_of(*place, config.key_file);
  if (path.empty()) return std::string();
  auto ring = store::read_key_file(path);
  if (!ring) return tl::unexpected(ring.error());
  return *ring ? (*ring)->active().id : std::string();
}

Result<store::Rotation> rotate(const Config& config, const Context& context) {
  auto progress = context.progress("Sealing everything anew");
  return store::rotate_key({config.store, config.key_file, config.store_password.clone()},
                           *context.clock);
}

ExitStatus rotate_key(const Context& context) {
  if (auto itself = check_no_server(context); !itself) return context.fail(itself.error());
  auto loaded = context.config();
  if (!loaded) return context.fail(loaded.error());
  auto old_key = active_key(loaded->config);
  if (!old_key) return context.fail(old_key.error());
  auto rotation = rotate(loaded->config, context);
  if (!rotation) return context.fail(rotation.error());

  if (context.json) {
    print_json(context.out(),
               {{"old_key", old_key->empty() ? boost::json::value() : old_key->c_str()},
                {"new_key", rotation->key_id},
                {"tokens", rotation->tokens},
                {"apps", rotation->apps},
                {"unreadable", rotation->unreadable}});
  } else {
    context.out() << "old key  " << (old_key->empty() ? "-" : *old_key) << '\n'
                  << "new key  " << rotation->key_id << '\n'
                  << "sealed anew: tokens " << rotation->tokens << ", secrets of apps "
                  << rotation->apps << '\n';
  }
  if (rotation->unreadable > 0) {
    context.err() << context.err_paint().yellow("warning:") << ' ' << rotation->unreadable
                  << " sealed texts could not be read with any key, and were left as they are\n";
  }
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return rotate_key(context); };
}

}  // namespace

extern const Command kRotateKey;
constinit const Command kRotateKey = {
    "rotate-key",
    "Seals the whole store with a new key, while servers go on running",
    "hufu rotate-key",
    declare,
};

}  // namespace hufu::cli
