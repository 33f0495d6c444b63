#include "keeper/probes.hpp"

#include <utility>

#include "keeper/await.hpp"

namespace hufu::keeper {

Task<ProbeResult> Probes::probe(RowHandle row) {
  KeyStates& states = records_.states();
  if (auto running = states.of(row).probe) {
    auto share = [running](Done<ProbeResult> done) { running->waiting.push_back(std::move(done)); };
    co_return co_await await<ProbeResult>(std::move(share));
  }

  auto probe = std::make_shared<ProbeInFlight>();
  states.of(row).probe = probe;
  const RowState before = *records_.table().state(row);
  const Key key = records_.table().key(row);
  const Secret token = records_.table().token(row);
  // Whoever made the token knows how to ask about it.
  const std::uint16_t asked =
      before.issued_by == Issuers::kUnknown ? before.issuer : before.issued_by;
  const KnownIssuer& issuer = records_.issuers().at(asked);
  const std::shared_ptr<Issuer> call = issuer.issuer;
  IssueRequest request;
  request.app = key.app;
  request.timeout = issuer.terms.request_timeout;
  bool can_ask = true;
  if (call->probe_needs_credentials()) {
    auto credentials = co_await apps_.credentials_of(key.app);
    can_ask = credentials.has_value();
    if (can_ask) request.credentials = std::move(*credentials);
    request.settings = apps_.settings_of(key.app);
  }
  const WallTime asked_at = records_.now();
  ProbeResult result = ProbeResult::unknown;
  if (can_ask) {
    result = co_await await<ProbeResult>(
        [&](auto done) { call->probe(std::move(request), token, std::move(done)); });
  }
  observer_.probed(key, result);

  if (records_.table().stands(row)) {
    KeyState& state = states.of(row);
    if (state.probe == probe) state.probe.reset();
    if (records_.table().state(row)->revision == before.revision) {
      state.verdict = {result, records_.now(), asked_at};
      state.keep_until = std::max(state.keep_until, records_.now() + kVerdictHolds);
      if (result == ProbeResult::alive) records_.note_alive(row, asked_at);
      if (result == ProbeResult::dead) records_.note_dead(row);
    }
    records_.changed(row);
  }
  for (auto& answer : std::exchange(probe->waiting, {})) answer(result);
  co_return result;
}

std::optional<ProbeResult> Probes::recent(RowHandle row) const {
  const KeyState* state = records_.states().find(row);
  if (state == nullptr || state->verdict.at == WallTime{} ||
      records_.now() - state->verdict.at >= kVerdictHolds) {
    return std::nullopt;
  }
  return state->verdict.result;
}

}  // namespace hufu::keeper
