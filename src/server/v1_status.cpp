#include "server/v1_status.hpp"

#include <memory>
#include <utility>

#include "platform/catalog_json.hpp"
#include "server/json.hpp"
#include "server/v1_request.hpp"

namespace hufu::server {
namespace {

/// Answers with a page of tokens and who shares the store, as far as `caller` may see that.
void reply_status(const LaterAnswer& answer, const Caller& caller, keeper::StatusPage page) {
  auto status = std::make_shared<keeper::Status>();
  status->page = std::move(page);
  answer.services().keeper.cluster([answer, caller, status](Result<store::ClusterView> cluster) {
    const Services& services = answer.services();
    // Where the store is out, the tokens are still worth showing.
    status->store_ok = services.keeper.health().store_ok;
    status->cluster.now = services.clock.wall();
    if (cluster) status->cluster = std::move(*cluster);
    if (!caller.sees_all()) status->cluster.nodes.clear();
    std::erase_if(status->cluster.leases, [&](const store::LeaseRow& lease) {
      return !caller.sees(lease.key.app, services.keeper);
    });
    answer.reply({200, "application/json", {}, to_json(*status)});
  });
}

}  // namespace

void list_platforms(const Call& call) {
  call.reply({200, "application/json", {}, platform::to_json(call.services().about.catalog)});
}

void get_status(const Call& call) {
  std::optional<PageQuery> asked = page_or_reply(call);
  if (!asked) return;
  std::optional<Caller> caller = call.services().keys.find(bearer_key(call.request()));
  if (!caller) return reply_unauthenticated(call);  // Revoked this very moment.
  if (call.handle_when_started()) return;

  keeper::StatusQuery query;
  query.after = std::move(asked->after);
  query.limit = asked->limit;
  query.state = asked->state;
  query.scope = caller->scope();
  call.services().keeper.status(
      std::move(query),
      [answer = call.later(), caller = *std::move(caller)](Result<keeper::StatusPage> page) {
        if (!page) return reply_error(answer, page.error());
        reply_status(answer, caller, *std::move(page));
      });
}

}  // namespace hufu::server
