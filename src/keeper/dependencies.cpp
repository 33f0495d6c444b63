#include "keeper/dependencies.hpp"

#include <algorithm>
#include <utility>

namespace hufu::keeper {

Task<Result<std::vector<NeededToken>>> Dependencies::collect(std::string app,
                                                             std::vector<Need> needs) {
  std::vector<NeededToken> tokens;
  for (const Need& need : needs) {
    Key key{need.of == Need::Of::self ? app : apps_.parent_of(app), need.kind};
    if (key.app.empty()) {
      co_return fail(Fault::config,
                     "app " + app + " belongs to no other app, and needs its " + need.kind,
                     "say which with parent");
    }
    auto grant = co_await verbs_.get(key);
    if (!grant) co_return tl::unexpected(std::move(grant.error()));
    tokens.push_back({std::move(key), std::move(grant->token), grant->revision});
  }
  co_return std::move(tokens);
}

Task<bool> Dependencies::replace(const NeededToken& refused) {
  Secret value = refused.value.clone();
  const auto report = co_await verbs_.report(refused.key, std::move(value));
  co_return report && report->grant.expires_in > std::chrono::seconds(0) &&
      !report->grant.token.same_as(refused.value.reveal());
}

std::vector<RowHandle> Dependencies::dependents_of(RowHandle row) const {
  const Key key = records_.table().key(row);
  std::vector<RowHandle> dependents;
  for (const RowHandle other : records_.table().rows_of(key.app)) {
    if (needs(other, {Need::Of::self, key.kind})) dependents.push_back(other);
  }
  for (const std::string& child : apps_.children_of(key.app)) {
    for (const RowHandle other : records_.table().rows_of(child)) {
      if (needs(other, {Need::Of::parent, key.kind})) dependents.push_back(other);
    }
  }
  return dependents;
}

bool Dependencies::needs(RowHandle row, const Need& need) const {
  const auto& all = records_.issuer_of(row).issuer->needs();
  return std::find(all.begin(), all.end(), need) != all.end();
}

}  // namespace hufu::keeper
