#include "server/v1_apps.hpp"

#include <optional>
#include <string>
#include <utility>

#include "server/app_request.hpp"
#include "server/json.hpp"
#include "server/v1_request.hpp"

namespace hufu::server {
namespace {

void reply_app(const Answer& answer, int status, const keeper::AppInfo& app) {
  answer.reply({status, "application/json", {}, to_json(app)});
}

/// Whether the app is one that nobody may change over HTTP; answered then.
bool replied_from_config(const Call& call) {
  std::optional<keeper::AppInfo> app = call.services().keeper.app(call.app());
  if (!app || !app->from_config) return false;
  reply_problem(call, 409,
                {Fault::usage,
                 "This app is in the config file or the environment",
                 "Change it there",
                 {},
                 {}});
  return true;
}

/// A failure to change an app: what cannot be configured is the caller's to mend.
void reply_change_error(const Answer& answer, const Error& error) {
  const bool callers = error.fault == Fault::config || error.fault == Fault::unknown_kind;
  reply_problem(answer, callers ? 400 : status_of(error.fault), error);
}

}  // namespace

void list_apps(const Call& call) {
  std::optional<PageQuery> asked = page_or_reply(call);
  if (!asked) return;
  const Value platform(call.request().query, "platform");
  const Value parent(call.request().query, "parent");
  const Value part(call.request().query, "q");
  if (platform.broken() || parent.broken() || part.broken()) {
    return reply_usage(call, "platform, parent and q are texts");
  }
  std::optional<Caller> caller = call.services().keys.find(bearer_key(call.request()));
  if (!caller) return reply_unauthenticated(call);  // Revoked this very moment.
  if (call.handle_when_started()) return;

  keeper::AppQuery query;
  query.after = std::move(asked->after);
  query.limit = asked->limit;
  query.platform = platform.text();
  query.parent = parent.text();
  query.part = part.text();
  query.state = asked->state;
  query.scope = caller->scope();
  call.reply({200, "application/json", {}, to_json(call.services().keeper.apps(query))});
}

void get_app(const Call& call) {
  std::optional<keeper::AppInfo> app = call.services().keeper.app(call.app());
  if (!app) return reply_error(call, unknown_app());
  reply_app(call, 200, *app);
}

void put_app(const Call& call) {
  if (replied_from_config(call)) return;
  const std::optional<boost::json::object> body = object_or_reply(call);
  if (!body) return;
  const bool known = call.services().keeper.knows(call.app());
  Result<AppConfig> app = app_from(call.services().about.catalog, call.app(), *body, known);
  if (!app) return reply_problem(call, 400, app.error());
  call.services().keeper.put_app(
      *std::move(app),
      [answer = call.later(), status = known ? 200 : 201](Result<keeper::AppInfo> stored) {
        if (!stored) return reply_change_error(answer, stored.error());
        reply_app(answer, status, *stored);
      });
}

void delete_app(const Call& call) {
  if (replied_from_config(call)) return;
  call.services().keeper.remove_app(std::string(call.app()),
                                    [answer = call.later()](Result<bool> removed) {
                                      if (!removed)
                                        return reply_change_error(answer, removed.error());
                                      if (!*removed) return reply_error(answer, unknown_app());
                                      answer.reply({204, {}, {}, {}});
                                    });
}

}  // namespace hufu::server
