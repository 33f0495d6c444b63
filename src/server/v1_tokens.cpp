#include "server/v1_tokens.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/etag.hpp"
#include "server/json.hpp"
#include "server/scratch.hpp"
#include "server/v1_request.hpp"

namespace hufu::server {
namespace {

using std::chrono::seconds;

constexpr seconds kLongestWait{60};
constexpr std::size_t kLongestKind = 128;
constexpr std::size_t kLongestToken = 4096;

/// The headers of an answer about a token. One at a time on a thread.
class TokenHeaders {
 public:
  explicit TokenHeaders(const keeper::Seen& token) : text_(of_this_thread()) {
    text_ = "ETag: ";
    append_etag(text_, token);
    text_ += "\r\nCache-Control: no-store\r\n";
  }
  [[nodiscard]] std::string_view lines() const noexcept { return text_; }

 private:
  /// Kept, so that the hot path finds it warm.
  static std::string& of_this_thread() {
    thread_local std::string text;
    return text;
  }
  std::string& text_;
};

keeper::Seen seen_in(const Grant& grant) noexcept { return {grant.revision, grant.fingerprint}; }

void reply_not_modified(const Answer& answer, const keeper::Seen& token) {
  answer.reply({304, {}, TokenHeaders(token).lines(), {}});
}

void reply_authority_needed(const Answer& answer) {
  reply_problem(answer, 403,
                {Fault::forbidden,
                 "A token of this kind carries authority over others: it is handed out only to "
                 "keys that name the app",
                 "Ask for a key made with --app and the id of this app",
                 {},
                 {}});
}

/// Answers with the token of `grant`, and whatever `append_json` writes beside it.
template <class Shown>
void reply_token(const Answer& answer, const Services& services, const Admission& admission,
                 const Grant& grant, const Shown& shown) {
  if (!admission.authority && services.carries_authority(grant.key.kind)) {
    return reply_authority_needed(answer);
  }
  Scratch body;
  append_json(body.text(), shown);
  answer.reply({200, "application/json", TokenHeaders(seen_in(grant)).lines(), body.text()});
}

/// A request for a token that cannot be answered at once.
struct Wanted {
  Key key;
  keeper::Wish wish;
  std::optional<keeper::Seen> seen;
  Admission admission;
};

void get_and_reply(const LaterAnswer& answer, Wanted wanted) {
  Key key = wanted.key;
  const keeper::Wish wish = wanted.wish;
  answer.services().keeper.get(
      std::move(key), wish, [answer, wanted = std::move(wanted)](Result<Grant> grant) {
        if (!grant) return reply_error(answer, grant.error());
        if (wanted.seen == seen_in(*grant)) return reply_not_modified(answer, *wanted.seen);
        reply_token(answer, answer.services(), wanted.admission, *grant, *grant);
      });
}

/// A request that waits for another token than the one its caller has.
class Poll : public std::enable_shared_from_this<Poll> {
 public:
  Poll(LaterAnswer answer, Wanted wanted, const KeyHash& caller, Milliseconds patience)
      : answer_(std::move(answer)),
        wanted_(std::move(wanted)),
        caller_(caller),
        deadline_(answer_.services().clock.steady() + patience),
        generation_(answer_.services().keys.generation()) {}

  void wait() {
    Services& services = answer_.services();
    services.keeper.wait(Key(wanted_.key), *wanted_.seen, deadline_ - services.clock.steady(),
                         [self = shared_from_this()](Result<std::optional<Grant>> grant) {
                           self->resume(std::move(grant));
                         });
  }

 private:
  void resume(Result<std::optional<Grant>> grant) {
    Services& services = answer_.services();
    const std::uint64_t generation = services.keys.generation();
    wanted_.admission = services.keys.check(caller_, Right::read, wanted_.key.app);
    if (wanted_.admission.access == Access::unauthenticated) return reply_unauthenticated(answer_);
    if (!grant) return reply_error(answer_, grant.error());
    if (!wanted_.admission.granted()) return reply_forbidden(answer_, Right::read);
    if (*grant) return reply_token(answer_, services, wanted_.admission, **grant, **grant);

    // Interrupted because the keys changed, and its own is still good. One that is answered empty
    // for another reason (its time is over, the server stops) is over.
    if (std::exchange(generation_, generation) != generation &&
        services.clock.steady() < deadline_) {
      return wait();
    }
    reply_unchanged();
  }

  /// 304, unless what the caller has seen has died meanwhile.
  void reply_unchanged() {
    keeper::Seen current;
    const bool usable = answer_.services().keeper.read(
        wanted_.key.app, wanted_.key.kind, {}, [&current](const keeper::TokenView& view) {
          current = {view.revision, view.fingerprint};
        });
    if (usable && current == wanted_.seen) return reply_not_modified(answer_, current);
    get_and_reply(answer_, std::move(wanted_));
  }

  LaterAnswer answer_;
  Wanted wanted_;
  const KeyHash caller_;
  const SteadyTime deadline_;
  std::uint64_t generation_;  ///< Of the keys, when the caller was admitted.
};

bool may_be_a_kind(const Value& kind) noexcept {
  const std::string_view text = kind.text();
  return !kind.broken() && text.size() <= kLongestKind &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// The kind that the query names, empty for the main one; nothing, and answered, where that can be
/// no kind.
std::optional<std::string_view> kind_or_reply(const Call& call, const Value& kind) {
  if (may_be_a_kind(kind)) return kind.text();
  reply_usage(call, "kind is the name of a kind of token", "For example kind=access_token");
  return std::nullopt;
}

/// What a report names; empty, and answered, where it names nothing or both.
std::optional<keeper::Refused> refused_or_reply(const Call& call) {
  std::optional<boost::json::object> body = object_or_reply(call, {"token", "fingerprint"});
  if (!body) return std::nullopt;
  if (body->size() == 1) {
    if (auto token = text_member(*body, "token");
        token && !token->empty() && token->size() <= kLongestToken) {
      return Secret(*token);
    }
    auto text = text_member(*body, "fingerprint");
    if (auto fingerprint = text ? Fingerprint::parse(*text) : std::nullopt) return *fingerprint;
  }
  reply_usage(call, "A report names the refused token, or its fingerprint of 8 hex characters",
              R"(Send {"token":"…"} or {"fingerprint":"…"})");
  return std::nullopt;
}

}  // namespace

void get_token(const Call& call) {
  const net::Request& request = call.request();
  const Services& services = call.services();
  const Value kind_value(request.query, "kind");
  const auto kind = kind_or_reply(call, kind_value);
  if (!kind) return;
  const Value min_ttl_value(request.query, "min_ttl");
  const Value wait_value(request.query, "wait");
  const std::int64_t min_ttl = min_ttl_value.number().value_or(0);
  const std::int64_t wait = wait_value.number().value_or(0);
  if ((min_ttl_value.present() && !min_ttl_value.number()) ||
      (wait_value.present() && !wait_value.number())) {
    return reply_usage(call, "min_ttl and wait are whole numbers of seconds");
  }
  const std::string_view if_none_match = request.header("If-None-Match");
  const keeper::Wish wish{.min_ttl = min_ttl};

  keeper::Seen current;
  bool unchanged = false;
  {
    Scratch body;
    bool withheld = false;
    const bool there =
        services.keeper.read(call.app(), *kind, wish, [&](const keeper::TokenView& view) {
          current = {view.revision, view.fingerprint};
          withheld = !call.admission().authority && services.carries_authority(view.kind);
          append_json(body.text(), call.app(), view);
        });
    if (withheld) return reply_authority_needed(call);
    unchanged = there && names(if_none_match, current);
    if (there && !unchanged) {
      return call.reply({200, "application/json", TokenHeaders(current).lines(), body.text()});
    }
  }
  if (unchanged && wait == 0) return reply_not_modified(call, current);

  Wanted wanted{Key{std::string(call.app()), std::string(*kind)}, wish,
                unchanged ? current : latest_of(if_none_match), call.admission()};
  if (!wanted.seen || wait == 0) return get_and_reply(call.later(), std::move(wanted));
  std::make_shared<Poll>(call.later(), std::move(wanted), hash_of(bearer_key(request)),
                         std::min(seconds(wait), kLongestWait))
      ->wait();
}

void report_token(const Call& call) {
  const Value kind_value(call.request().query, "kind");
  const auto kind = kind_or_reply(call, kind_value);
  if (!kind) return;
  std::optional<keeper::Refused> refused = refused_or_reply(call);
  if (!refused) return;
  call.services().keeper.report(
      Key{std::string(call.app()), std::string(*kind)}, *std::move(refused),
      [answer = call.later(), admission = call.admission()](Result<Report> report) {
        if (!report) return reply_error(answer, report.error());
        reply_token(answer, answer.services(), admission, report->grant, *report);
      });
}

void refresh_token(const Call& call) {
  const Value kind_value(call.request().query, "kind");
  const auto kind = kind_or_reply(call, kind_value);
  if (!kind) return;
  call.services().keeper.refresh(
      Key{std::string(call.app()), std::string(*kind)},
      [answer = call.later(), admission = call.admission()](Result<keeper::Refreshed> refreshed) {
        if (refreshed) {
          return reply_token(answer, answer.services(), admission, refreshed->grant, *refreshed);
        }
        switch (refreshed.error().fault) {
          case Fault::too_soon: return reply_problem(answer, 409, refreshed.error());
          case Fault::throttled: return reply_problem(answer, 429, refreshed.error());
          default: return reply_error(answer, refreshed.error());
        }
      });
}

}  // namespace hufu::server
