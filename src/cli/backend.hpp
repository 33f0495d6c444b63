#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "hufu/keeper.hpp"
#include "keeper/async_keeper.hpp"

namespace hufu::cli {

/// What a try of an app's credentials found out.
enum class Trial {
  alive,    ///< The platform accepts them; nothing was renewed.
  fetched,  ///< The platform accepts them, and a token that was missing was fetched.
  renewed,  ///< The stored token was dead: a new one was fetched.
};

/// What stands behind a command: the store itself, or a running server that is asked over /v1. A
/// command cannot tell them apart, exit status included.
///
/// Thread-safety: belongs to the thread that runs the command; every call blocks. The destructor
/// waits until a renewal that a call has started is over.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Result<Grant> get(const Key& key, std::chrono::seconds min_ttl) = 0;
  virtual Result<Report> report(const Key& key, const Secret& refused) = 0;
  virtual Result<keeper::Refreshed> refresh(const Key& key) = 0;
  /// All pages of it.
  virtual Result<keeper::Status> status() = 0;

  /// Sorted by id.
  virtual Result<std::vector<keeper::AppInfo>> apps() = 0;
  virtual Result<keeper::AppInfo> app(const std::string& id) = 0;
  /// Durable once it has succeeded; true where there was such an app before.
  virtual Result<bool> put_app(AppConfig app) = 0;
  virtual Result<void> remove_app(const std::string& id) = 0;

  /// Lets the platform judge the app's credentials, whatever is stored, by a call that displaces
  /// nothing. A server is not asked for that: there the stored token is probed.
  virtual Result<Trial> try_app(const std::string& id) = 0;

  /// The ids of some apps that there are, none where there is none: enough to tell whether there is
  /// exactly one.
  virtual Result<std::vector<std::string>> first_apps() = 0;
};

/// The server that the command line or the environment names; the store where they name none.
Result<std::unique_ptr<Backend>> open_backend(const Context& context);

/// That no app is known, and how to come by one. Fault::unknown_app.
Error no_app_yet();

/// `app`, or the only one that there is. Fault::usage where there are several, Fault::unknown_app
/// where there is none.
Result<std::string> app_or_only(Backend& backend, const std::string& app);

}  // namespace hufu::cli
