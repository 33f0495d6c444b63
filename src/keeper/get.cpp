#include <algorithm>

#include "keeper/await.hpp"
#include "keeper/heart.hpp"

namespace hufu::keeper {
using std::chrono::seconds;

bool Heart::read(std::string_view app, std::string_view kind, std::int64_t min_ttl,
                 void (*use)(void*, const TokenView&), void* target) const {
  return table_.read(app, kind, now(), min_ttl,
                     [use, target](const TokenView& view) { use(target, view); });
}

void Heart::get(Key key, seconds min_ttl, Done<Result<Grant>> done) {
  enter<Result<Grant>>(std::move(done),
                       [this, key = std::move(key), min_ttl] { return answer(key, min_ttl); });
}

/// Fresh → answer. Stale → answer, and renew behind the caller's back; before the answer where the
/// caller wishes for more than is left. Unusable → join the one renewal. In doubt → ask the
/// platform.
Heart::Task<Result<Grant>> Heart::answer(Key key, seconds min_ttl) {
  const auto located = co_await locate(key);
  if (!located) co_return tl::unexpected(located.error());
  const RowId row = *located;

  if (auto fresh_enough = grant(row, key, min_ttl.count())) {
    const bool stale = now() >= table_.outline(row)->bounds.renew_at;
    if (stale && due_at(row) <= now()) launch(row, Cause::schedule);
    co_return std::move(*fresh_enough);
  }

  // A marked token is renewed soon after the promise on it ends. In the last second before that no
  // promise fits, and a new one would outlast the renewal, which may end the token at once. One
  // that is in flight already, and whose own in-doubt call this is, is joined below.
  if (const auto left = until_marked_renewal(row); left > Milliseconds(0) && !is_in_flight(row)) {
    co_await sleep(left);
    const auto outline = table_.outline(row);
    if (!outline || !(outline->key == key)) co_return tl::unexpected(unknown_app(key.app));
    if (auto renewed = grant(row, key, 0)) co_return std::move(*renewed);
  }

  // A verdict that is still warm spares the caller from waiting for a platform that may hang. Not
  // as long as the token certainly works and its renewal is due; and one from that time says
  // nothing after it.
  if (in_doubt(row)) {
    const Case& file = case_of(row);
    const Milliseconds age = now() - file.verdict.at;
    const Record marked = known(row);
    const WallTime danger = *first_possible_death(marked);
    const bool renewing = file.flight || due_at(row) <= now();
    // "Alive", while a call may be under way that ends it, is no reason not to wait for that call.
    const bool premature = renewing && file.verdict.result == ProbeResult::alive &&
                           file.verdict.asked_at < first_judgement(marked, issuer_of(row).terms);
    const bool of_use = danger > now() ? !renewing : file.verdict.asked_at >= danger && !premature;
    if (file.verdict.at != WallTime{} && of_use && age <= 3 * parts_.timing.use_slack) {
      if (auto suspect = suspect_grant(row, key)) {
        if (due_at(row) <= now()) launch(row, Cause::schedule);
        if (age > parts_.timing.use_slack && !file.probe) spawn(refresh_verdict(row));
        co_return std::move(*suspect);
      }
    }
  }

  Failure failure;
  if (is_in_flight(row) || due_at(row) <= now()) {
    const Case* file = case_at(row);
    const bool condemned = file != nullptr && file->condemned;
    failure = co_await join(row, condemned ? Cause::report : Cause::demand);
  }
  const auto still_there = table_.outline(row);
  if (!still_there || !(still_there->key == key)) co_return tl::unexpected(unknown_app(key.app));
  if (auto usable = grant(row, key, 0)) co_return std::move(*usable);
  if (in_doubt(row)) {
    if (auto doubtful = co_await answer_in_doubt(row, key)) co_return std::move(*doubtful);
  }
  co_return tl::unexpected(why_not(row, failure));
}

/// The row of a key; in the foreground mode the store is asked for it.
Heart::Task<Result<RowId>> Heart::locate(Key key) {
  if (parts_.background) {
    if (auto row = table_.find(key)) co_return *row;
  }
  auto app = table_.find(Key{key.app});
  if (!app && parts_.registry) {
    co_await reload_app(key.app);
    app = table_.find(Key{key.app});
  }
  if (!app) co_return tl::unexpected(unknown_app(key.app));

  auto row = table_.find(key);
  if (!row) {
    const AppFacts facts = table_.outline(*app)->facts;
    const std::string platform = issuers_[facts.issuer].platform;
    const std::string endpoint = issuers_[facts.issuer].endpoint;
    const auto issuer = issuer_index(platform, endpoint, key.kind);
    if (!issuer) co_return tl::unexpected(issuer.error());
    row = table_.put(key, {*issuer, false, facts.from_config, facts.tag});
  }
  const RowId found = *row;
  auto record = co_await load(key);
  if (!record) co_return tl::unexpected(record.error());
  if (table_.find(key) != found) co_return tl::unexpected(unknown_app(key.app));
  adopt(found, *record);
  co_return found;
}

std::optional<Grant> Heart::grant(RowId, const Key& key, std::int64_t min_ttl) const {
  std::optional<Grant> granted;
  table_.read(key.app, key.kind, now(), min_ttl, [&](const TokenView& view) {
    granted = Grant{key,
                    Secret(view.token),
                    seconds(view.expires_in),
                    view.expires_at,
                    view.revision,
                    view.fingerprint,
                    false};
  });
  return granted;
}

/// The token as it stands, promised or not.
Grant Heart::current(RowId row, const Key& key) const {
  if (auto promised = grant(row, key, 0)) return std::move(*promised);
  if (auto suspect = suspect_grant(row, key)) return std::move(*suspect);
  const RowOutline outline = *table_.outline(row);
  return Grant{
      key, table_.token(row), seconds(0), outline.expires_at, outline.revision, outline.fingerprint,
      true};
}

bool Heart::is_in_flight(RowId row) const {
  const Case* file = case_at(row);
  return file != nullptr && file->flight;
}

/// Whether only calls of unknown outcome stand between this token and its being handed out.
bool Heart::in_doubt(RowId row) const {
  const Case* file = case_at(row);
  if (file == nullptr || file->condemned || file->in_doubt.empty()) return false;
  const RowOutline outline = *table_.outline(row);
  if (!outline.has_token) return false;
  const Milliseconds left = outline.expires_at - issuer_of(row).terms.slack() - now();
  return left >= seconds(1) && outline.bounds.promise(now()) < 1;
}

/// How long until a marked token is renewed, where its promise is too short to be given again.
Milliseconds Heart::until_marked_renewal(RowId row) const {
  const Case* file = case_at(row);
  if (file == nullptr || file->condemned || file->in_doubt.empty()) return Milliseconds(0);
  const RowOutline outline = *table_.outline(row);
  if (!outline.has_token || outline.bounds.promise(now()) > 0) return Milliseconds(0);
  const WallTime renewal =
      outline.bounds.promised_end(now()) + pause_after_promise(issuer_of(row).terms);
  return std::max(renewal - now(), Milliseconds(0));
}

/// A token that most likely works, in promises of at most the use slack; as long as it certainly
/// works, in none beyond that or beyond its renewal.
std::optional<Grant> Heart::suspect_grant(RowId row, const Key& key) const {
  if (!in_doubt(row) || until_marked_renewal(row) > Milliseconds(0)) return std::nullopt;
  const RowOutline outline = *table_.outline(row);
  Milliseconds left = outline.expires_at - issuer_of(row).terms.slack() - now();
  const WallTime danger = *first_possible_death(known(row));
  if (danger > now()) left = std::min({left, danger - now(), due_at(row) - now()});
  const auto promise =
      std::chrono::floor<seconds>(std::min<Milliseconds>(left, parts_.timing.use_slack));
  return Grant{key,
               table_.token(row),
               std::max(promise, seconds(1)),
               outline.expires_at,
               outline.revision,
               outline.fingerprint,
               true};
}

/// Asks the platform about a token that a lost call may have displaced (SPEC.md, promise 5).
Heart::Task<std::optional<Grant>> Heart::answer_in_doubt(RowId row, Key key) {
  const ProbeResult verdict = co_await probe_token(row);
  const auto outline = table_.outline(row);
  if (!outline || !(outline->key == key)) co_return std::nullopt;
  if (auto settled = grant(row, key, 0)) co_return std::move(settled);
  if (verdict == ProbeResult::dead) co_return std::nullopt;
  co_return suspect_grant(row, key);
}

Heart::Task<void> Heart::refresh_verdict(RowId row) { co_await probe_token(row); }

/// Why there is no usable token, with the moment from which it makes sense to ask again.
Error Heart::why_not(RowId row, const Failure& failure) const {
  const Case* file = case_at(row);
  Error error;
  if (failure) {
    error = *failure;
  } else if (file != nullptr && file->failure) {
    error = file->failure->error;
  } else if (file != nullptr && file->condemned) {
    error.fault = Fault::throttled;
    error.message = "the platform refuses the token, and too many renewals were asked for";
    error.next_step = "find out who else renews this app's token: hufu doctor";
  } else {
    error.fault = Fault::unreachable;
    error.message = "there is no usable token yet";
  }
  const Milliseconds wait = due_at(row) - now();
  error.retry_after = std::max<Milliseconds>(wait, seconds(1));
  return error;
}

}  // namespace hufu::keeper
