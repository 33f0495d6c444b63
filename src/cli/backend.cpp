#include "cli/backend.hpp"

#include "cli/local.hpp"
#include "cli/remote.hpp"

namespace hufu::cli {

Result<std::unique_ptr<Backend>> open_backend(const Context& context) {
  auto server = context.server();
  if (!server) return tl::unexpected(server.error());
  if (*server) return std::make_unique<Remote>(std::move(**server));
  auto local = Local::open(context);
  if (!local) return tl::unexpected(local.error());
  return std::move(*local);
}

Error no_app_yet() {
  return {Fault::unknown_app,
          "there is no app yet",
          "Add yours with `hufu app add APPID --secret-stdin`, or try Hufu without one: `hufu dev`",
          {},
          {}};
}

Result<std::string> app_or_only(Backend& backend, const std::string& app) {
  if (!app.empty()) return app;
  auto apps = backend.first_apps();
  if (!apps) return tl::unexpected(apps.error());
  if (apps->size() == 1) return std::move(apps->front());
  if (apps->empty()) return tl::unexpected(no_app_yet());
  return fail(Fault::usage, "there is more than one app",
              "Say which one: " + apps->at(0) + ", " + apps->at(1) +
                  (apps->size() > 2 ? ", … (`hufu app list`)" : ""));
}

}  // namespace hufu::cli
