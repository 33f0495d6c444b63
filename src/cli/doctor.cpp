#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/url/parse.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>

#include "cli/command.hpp"
#include "cli/local.hpp"
#include "cli/remote.hpp"
#include "config/store_uri.hpp"
#include "net/http_client.hpp"
#include "platform/app_check.hpp"
#include "platform/base_url.hpp"
#include "platform/catalog.hpp"
#include "platform/timing.hpp"
#include "store/blocking.hpp"
#include "store/opening/raw_store.hpp"

namespace hufu::cli {
namespace {

using std::chrono::seconds;

/// More than this would be a load on the platform rather than an examination.
constexpr std::size_t kMostApps = 20;
/// Beyond this, an `expires_at` read elsewhere misleads, and signatures made from the time fail.
constexpr Milliseconds kSkewTolerated = seconds(5);
/// What a server needs beside its connections: the store, the log, calls to the platform.
constexpr std::size_t kFilesBeside = 320;

/// Of a platform's front page, which is asked for because it costs nobody anything.
constexpr std::size_t kLargestPage = 1024UL * 1024;

enum class Level { ok, warn, fail };
constexpr std::string_view name_of(Level level) {
  switch (level) {
    case Level::ok: return "ok";
    case Level::warn: return "warn";
    case Level::fail: return "fail";
  }
  return {};
}

/// Prints what is found as it is found (with --json: at the end).
class Findings {
 public:
  explicit Findings(const Context& context) : context_(context) {}

  void ok(std::string_view check, std::string message) {
    add(Level::ok, check, std::move(message), {});
  }
  void warn(std::string_view check, std::string message, std::string fix) {
    add(Level::warn, check, std::move(message), std::move(fix));
  }
  void fail(std::string_view check, const Error& error) {
    // Checks stand on each other, so the first fault is the one that the others come from.
    if (status_ == ExitStatus::done) status_ = exit_status(error.fault);
    const std::string code = error.errcode ? std::to_string(*error.errcode) + ": " : "";
    add(Level::fail, check, error.message, error.next_step.empty() ? "" : code + error.next_step);
  }

  /// Of the first fault that was found.
  ExitStatus finish() {
    if (context_.json) {
      print_json(context_.out(), {{"ok", status_ == ExitStatus::done}, {"checks", all_}});
    }
    return status_;
  }

 private:
  void add(Level level, std::string_view check, std::string message, std::string fix) {
    if (context_.json) {
      boost::json::object finding{
          {"check", check}, {"level", name_of(level)}, {"message", message}};
      if (!fix.empty()) finding["fix"] = fix;
      all_.push_back(std::move(finding));
      return;
    }
    const Paint paint = context_.out_paint();
    const std::string word = level == Level::fail ? "FAIL" : fmt::format("{:<4}", name_of(level));
    context_.out() << (level == Level::ok     ? paint.green(word)
                       : level == Level::warn ? paint.yellow(word)
                                              : paint.red(word))
                   << "  " << fmt::format("{:<9}", printable(check)) << "  " << printable(message)
                   << '\n';
    if (!fix.empty()) context_.out() << "      → " << printable(fix) << '\n';
    context_.out().flush();
  }

  const Context& context_;
  boost::json::array all_;
  ExitStatus status_ = ExitStatus::done;
};

// ---- This machine

std::optional<Config> examine_config(Findings& findings, const Context& context) {
  config::Examined examined = config::examine(context.sources);
  for (const Error& problem : examined.problems) findings.fail("config", problem);
  if (!examined.problems.empty()) return std::nullopt;
  const std::string& file = examined.loaded.file;
  findings.ok("config", file.empty() ? "no file; defaults and environment" : file);
  for (const Error& warning : examined.loaded.warnings) {
    findings.warn("config", warning.message, warning.next_step);
  }
  return std::move(examined.loaded.config);
}

void examine_limits(Findings& findings, const Config& config) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  // A server raises its own limit up to the hard one.
  const std::size_t needed = config.limits.connections + kFilesBeside;
  if (files.rlim_max == RLIM_INFINITY || files.rlim_max >= needed) {
    findings.ok("limits", "a server may open as many files as it needs");
  } else {
    findings.warn("limits",
                  fmt::format("a server may open {} files, and needs {} for {} connections",
                              files.rlim_max, needed, config.limits.connections),
                  fmt::format("Raise the limit (LimitNOFILE={} in its unit), or lower "
                              "server.max_connections",
                              needed));
  }
}

/// Writes something that opens nothing, and takes it back.
Result<void> try_to_write(store::Registry& registry) {
  // No key that anybody can make has a space in its name.
  store::ApiKeyRow row{"hufu doctor", {}, {}, {}, {}};
  auto put = store::await<Result<bool>>([&](auto done) { registry.put_key(row, std::move(done)); });
  if (!put) return tl::unexpected(put.error());
  auto revoked = store::await<Result<bool>>(
      [&](auto done) { registry.revoke_key(row.name, std::move(done)); });
  if (!revoked) return tl::unexpected(revoked.error());
  return {};
}

std::string key_file_in_words(const std::string& path) {
  if (path.empty()) return "no key file";
  std::error_code failure;
  const auto mode = std::filesystem::status(path, failure).permissions();
  if (failure) return "key file " + path;
  return fmt::format("key file {} (mode {:04o})", path, static_cast<unsigned>(mode) & 07777U);
}

/// Opening it checks the schema, and the key file with its mode.
std::unique_ptr<Local> examine_store(Findings& findings, Config config, const Context& context) {
  const std::string uri = config.store;
  const std::string key_file = config.key_file;
  auto local = Local::open(std::move(config), *context.clock);
  auto written = local ? try_to_write((*local)->registry()) : tl::unexpected(local.error());
  if (!written) {
    findings.fail("store", written.error());
    return nullptr;
  }
  auto place = store::parse_store_uri(uri);
  const std::string path = place ? store::key_file_of(*place, key_file) : std::string();
  findings.ok("store",
              config::masked_store(uri) + " can be read and written, " + key_file_in_words(path));
  for (const std::string& warning : (*local)->store_warnings()) {
    findings.warn("store", warning, "See docs/cluster.md for what that means");
  }
  return std::move(*local);
}

// ---- The way to a platform

/// The host of a checked base URL, without the brackets of an IPv6 address.
std::string host_of(const std::string& base_url) {
  auto url = boost::urls::parse_uri(base_url);
  return url ? std::string(url->host_address()) : std::string();
}

/// Why `host` has no address; empty where it has.
std::optional<std::string> no_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failure != 0) return gai_strerror(failure);
  freeaddrinfo(found);
  return std::nullopt;
}

/// How far this machine's clock is ahead of the one that wrote `date` (RFC 9110, 5.6.7: whole
/// seconds) between `before` and `after`; empty where that cannot be told.
std::optional<Milliseconds> clock_ahead(const std::string& date, WallTime before, WallTime after) {
  std::tm parts{};
  if (strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S", &parts) == nullptr) return std::nullopt;
  const WallTime theirs{seconds(timegm(&parts))};
  return before + (after - before) / 2 - theirs - Milliseconds(500);
}

void examine_clock(Findings& findings, const std::string& platform, Milliseconds ahead) {
  if (abs(ahead) <= kSkewTolerated) {
    findings.ok("clock", "agrees with that of " + platform);
    return;
  }
  findings.warn("clock",
                "this machine's clock is " + in_words(abs(ahead)) +
                    (ahead.count() > 0 ? " ahead of" : " behind") + " that of " + platform,
                "Keep it right by NTP: systemd-timesyncd or chrony");
}

/// Where a platform is called.
struct Way {
  std::string platform;
  Result<platform::PlatformAddress> address;
  Milliseconds timeout{};
};

/// To each platform that `config` uses.
std::vector<Way> ways_of(const Config& config) {
  const platform::Catalog catalog(config);
  std::vector<Way> ways;
  for (const platform::PlatformDescription* each : catalog.in_use(config)) {
    ways.push_back({each->name,
                    platform::address_of(*each, platform::config_of(config, each->name)),
                    platform::timing_for(config, *each).request_timeout});
  }
  return ways;
}

std::string next_step_after(const net::HttpFailure& failure, bool unresolved) {
  if (unresolved) return "Check the name servers of this machine (/etc/resolv.conf), and base_url";
  using Cause = net::HttpFailure::Cause;
  const bool general = failure.next_step.empty() || failure.cause == Cause::connection ||
                       failure.cause == Cause::timeout;
  return general ? "Check the network, the firewall, HTTPS_PROXY, the certificates of this machine "
                   "(ca-certificates), and base_url"
                 : failure.next_step;
}

/// Whether the platform answers at all.
bool examine_way(Findings& findings, const Way& way, const Context& context) {
  const std::string& platform = way.platform;
  if (!way.address) {
    findings.fail(platform, way.address.error());
    return false;
  }
  const std::string& base_url = way.address->base_urls.front();
  const std::string host = host_of(base_url);
  std::optional<std::string> unresolved;
  WallTime before{};
  WallTime after{};
  auto outcome = [&] {
    auto progress = context.progress("Calling " + host);
    unresolved = no_address(host);
    net::HttpClient client;
    net::HttpRequest request;
    request.url = Secret(base_url + "/");
    request.timeout = way.timeout;
    request.proxy = Secret(std::string_view(way.address->proxy));
    request.largest_body = kLargestPage;
    before = context.clock->wall();
    auto answer = store::await<net::HttpOutcome>(
        [&](auto done) { client.send(std::move(request), std::move(done)); });
    after = context.clock->wall();
    return answer;
  }();

  if (!outcome) {
    findings.fail(platform, Error{Fault::unreachable,
                                  outcome.error().message,
                                  next_step_after(outcome.error(), unresolved.has_value()),
                                  {},
                                  {}});
    return false;
  }
  if (unresolved) {
    findings.warn("dns", host + " has no address here (" + *unresolved + ")",
                  "None needed as long as calls go through a proxy");
  } else {
    findings.ok("dns", host + " has an address");
  }
  findings.ok(platform, base_url + " answers" +
                            (base_url.starts_with("https:") ? ", its certificate is good" : ""));
  if (auto ahead = clock_ahead(outcome->date, before, after)) {
    examine_clock(findings, platform, *ahead);
  }
  return true;
}

// ---- The apps

/// What looks damaged in an app that is kept in the store. One of the config was examined with it.
void examine_damage(Findings& findings, const Local& local, const platform::Catalog& catalog,
                    const keeper::AppInfo& info) {
  if (info.from_config) return;
  const platform::PlatformDescription* described = catalog.find(info.platform);
  if (described == nullptr) return;
  auto row = store::await<Result<std::optional<store::AppRow>>>(
      [&](auto done) { local.registry().load_app(info.id, std::move(done)); });
  // What cannot be read is told by the trial of the app.
  if (!row || !*row) return;
  AppConfig app;
  app.id = info.id;
  app.platform = info.platform;
  app.credentials = std::move((*row)->credentials);
  for (platform::AppProblem& problem : platform::find_damage_in(*described, app)) {
    Error damage = platform::named(std::move(problem));
    findings.warn(info.id, std::move(damage.message), std::move(damage.next_step));
  }
}

void examine_app(Findings& findings, Backend& backend, const std::string& id,
                 const Context& context) {
  auto trial = [&] {
    auto progress = context.progress("Trying " + id);
    return backend.try_app(id);
  }();
  if (!trial) return findings.fail(id, trial.error());
  switch (*trial) {
    case Trial::alive:
      return findings.ok(id, "the platform accepts its secret; this machine may call");
    case Trial::fetched: return findings.ok(id, "its secret works, this machine may call");
    case Trial::renewed:
      return findings.warn(id, "its stored token was dead; a new one was fetched",
                           "Find out who else renews this app's token");
  }
}

void examine_apps(Findings& findings, Local& local, const platform::Catalog& catalog, bool reached,
                  const Context& context) {
  auto apps = local.apps();
  if (!apps) return findings.fail("apps", apps.error());
  if (apps->empty()) {
    return findings.warn("apps", "there is none yet", no_app_yet().next_step);
  }
  for (std::size_t i = 0; i < std::min(apps->size(), kMostApps); ++i) {
    examine_damage(findings, local, catalog, (*apps)[i]);
    if (reached) examine_app(findings, local, (*apps)[i].id, context);
  }
  if (!reached) return;
  if (apps->size() > kMostApps) {
    findings.warn("apps", fmt::format("{} more were not tried", apps->size() - kMostApps),
                  "Name the one to try: hufu doctor APP");
  }
}

void examine_here(Findings& findings, const std::string& app, const Context& context) {
  auto config = examine_config(findings, context);
  if (!config) return;
  examine_limits(findings, *config);
  const platform::Catalog catalog(*config);
  const std::vector<Way> ways = ways_of(*config);
  auto local = examine_store(findings, std::move(*config), context);

  bool reached = true;
  for (const Way& way : ways) reached = examine_way(findings, way, context) && reached;
  if (!local) return;
  if (!app.empty()) {
    auto known = local->app(app);
    if (!known) return findings.fail(app, known.error());
    examine_damage(findings, *local, catalog, *known);
    if (reached) return examine_app(findings, *local, app, context);
  } else {
    examine_apps(findings, *local, catalog, reached, context);
  }
  if (!reached) {
    findings.warn("apps", "not tried, because the platform cannot be reached", {});
  }
}

// ---- A running server

void examine_server(Findings& findings, Server server, const std::string& app,
                    const Context& context) {
  const std::string url = server.url;
  Remote remote(std::move(server));
  auto status = [&] {
    auto progress = context.progress("Asking the server");
    return remote.status();
  }();
  if (!status) return findings.fail("server", status.error());
  std::vector<TokenStatus>& tokens = status->page.tokens;
  findings.ok("server", url + " answers, and knows the key");
  if (!app.empty()) {
    std::erase_if(tokens, [&](const TokenStatus& token) { return token.key.app != app; });
    if (tokens.empty()) {
      return findings.fail(app, Error{Fault::unknown_app,
                                      "the server shows no app " + app,
                                      "See which there are: hufu status",
                                      {},
                                      {}});
    }
  }
  for (const TokenStatus& token : tokens) {
    if (token.failure) {
      findings.fail(token.key.app, token.failure->error);
    } else if (token.expires_in.count() > 0) {
      findings.ok(token.key.app, "its " + token.key.kind + " is served");
    } else if (token.revision == 0) {
      findings.warn(token.key.app, "its " + token.key.kind + " was not fetched yet", {});
    } else {
      findings.fail(token.key.app,
                    Error{Fault::throttled,
                          "its " + token.key.kind + " cannot be handed out, and is not renewed yet",
                          "Ask again in half a minute, and find out who else renews it",
                          {},
                          {}});
    }
  }
}

ExitStatus examine(const std::string& app, const Context& context) {
  auto server = context.server();
  if (!server) return context.fail(server.error());
  Findings findings(context);
  if (*server) {
    examine_server(findings, std::move(**server), app, context);
  } else {
    examine_here(findings, app, context);
  }
  return findings.finish();
}

Action declare(Parameters& parameters, Context& context) {
  auto app = std::make_shared<std::string>();
  parameters.argument("APP", *app, "Try this app only");
  return [app, &context] { return examine(*app, context); };
}

}  // namespace

extern const Command kDoctor;
constinit const Command kDoctor = {
    "doctor",
    "Looks for what is wrong, and names the fix",
    "hufu doctor\nhufu doctor wx0123456789abcdef --json",
    declare,
};

}  // namespace hufu::cli
