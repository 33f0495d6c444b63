#include "keeper/token_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "testing/fake_clock.hpp"

namespace hufu::keeper {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
constexpr WallTime kT0 = testing::FakeClock::kStart;
constexpr std::string_view kTicket = "jsapi_ticket";

Bounds lasting(seconds life, seconds renew = seconds(50)) {
  Bounds bounds;
  bounds.renew_at = kT0 + renew;
  bounds.last_end = kT0 + life;
  return bounds;
}

/// Equal tokens have equal fingerprints, and a few others as well.
Fingerprint fingerprint_of(std::string_view token) {
  return {static_cast<std::uint32_t>(std::hash<std::string_view>()(token) & 0xffff)};
}

/// A table, and short ways to fill and ask it.
struct Table : TokenTable {
  RowHandle app(std::string_view id) { return put_app(id, {}, kAccessToken); }
  void give(RowHandle row, std::string_view value, std::uint64_t revision = 1,
            WallTime remember_until = {}, WallTime obtained_at = kT0) {
    publish(row, {Secret(value), obtained_at, kT0 + seconds(100), "i"}, revision,
            fingerprint_of(value), 0, lasting(seconds(80)), false, remember_until);
  }
  [[nodiscard]] std::string value(std::string_view app, WallTime now = kT0, Wish wish = {},
                                  std::string_view kind = {}) const {
    std::string value;
    read(app, kind, now, wish, [&](const TokenView& view) { value = view.token; });
    return value;
  }
  [[nodiscard]] std::optional<Key> owner(std::string_view token, WallTime now = kT0) const {
    return owner_of(token, fingerprint_of(token), now);
  }
};

// ---- reading

TEST(TokenTable, KnowsNothingAtFirst) {
  Table table;
  EXPECT_FALSE(table.knows("a"));
  EXPECT_FALSE(table.facts("a"));
  EXPECT_FALSE(table.find(Key{"a"}));
  EXPECT_EQ(table.value("a"), "");
  EXPECT_FALSE(table.owner("t1"));
  EXPECT_TRUE(table.ids_after("", 10).empty());
}

TEST(TokenTable, HandsOutWhatWasPublished) {
  Table table;
  const RowHandle row = table.app("a");
  EXPECT_EQ(table.value("a"), "");
  table.publish(row, {Secret(std::string_view("t1")), kT0, kT0 + seconds(100), "i"}, 1,
                Fingerprint{5}, 0, lasting(seconds(80)), false, {});
  const bool called =
      table.read("a", kAccessToken, kT0 + seconds(10), {}, [](const TokenView& view) {
        EXPECT_EQ(view.token, "t1");
        EXPECT_EQ(view.expires_in, 70);
        EXPECT_EQ(view.revision, 1U);
        EXPECT_EQ(view.fingerprint, Fingerprint{5});
        EXPECT_EQ(view.expires_at, kT0 + seconds(100));
      });
  EXPECT_TRUE(called);
}

TEST(TokenTable, PromisesWholeSecondsAndNeverNone) {
  Table table;
  table.give(table.app("a"), "t1");
  EXPECT_EQ(table.value("a", kT0 + seconds(79)), "t1");
  EXPECT_EQ(table.value("a", kT0 + Milliseconds(79001)), "");
}

TEST(TokenTable, GrantsMinTtlOnlyWhereItDisplacesNothing) {
  Table table;
  table.give(table.app("a"), "t1");
  EXPECT_EQ(table.value("a", kT0, {1000}), "t1") << "fresh: nothing is displaced early for it";
  EXPECT_EQ(table.value("a", kT0 + seconds(50), {31}), "") << "stale and too short";
  EXPECT_EQ(table.value("a", kT0 + seconds(50), {30}), "t1");
}

TEST(TokenTable, RefusesAStaleWindowedTokenToWhoeverWishesForOneOutsideTheWindow) {
  Table table;
  const Token token{Secret(std::string_view("t1")), kT0, kT0 + seconds(100), "i"};
  table.publish(table.app("windowed"), token, 1, {}, 0, lasting(seconds(80)), true, {});
  table.publish(table.app("rotating"), token, 1, {}, 0, lasting(seconds(80)), false, {});
  const Wish outside{0, true};
  EXPECT_EQ(table.value("windowed", kT0 + seconds(49), outside), "t1");
  EXPECT_EQ(table.value("windowed", kT0 + seconds(50), outside), "");
  EXPECT_EQ(table.value("windowed", kT0 + seconds(50)), "t1");
  EXPECT_EQ(table.value("rotating", kT0 + seconds(50), outside), "t1");
}

TEST(TokenTable, HoldsLongNamesAndTokens) {
  Table table;
  const std::string app(128, 'x');
  const std::string kind(128, 'k');
  const std::string token(4096, 't');
  table.app(app);
  table.give(table.put(Key{app, kind}), token);
  EXPECT_EQ(table.value(app, kT0, {}, kind), token);
  EXPECT_EQ(table.owner(token), (Key{app, kind}));
  EXPECT_EQ(table.value(std::string(5000, 'x'), kT0, {}, std::string(5000, 'k')), "");
}

TEST(TokenTable, HoldsIdsOfEveryLength) {
  Table table;
  for (std::size_t size = 1; size <= 128; ++size) {
    table.give(table.app(std::string(size, 'x')), "t" + std::to_string(size));
  }
  for (std::size_t size = 1; size <= 128; ++size) {
    EXPECT_EQ(table.value(std::string(size, 'x')), "t" + std::to_string(size));
  }
}

TEST(TokenTable, HoldsTokensOfEveryLength) {
  Table table;
  const RowHandle row = table.app("a");
  for (std::size_t size = 1; size < 1200; ++size) {
    table.give(row, std::string(size, 't'), size);
    EXPECT_EQ(table.value("a"), std::string(size, 't'));
  }
}

// ---- times

TEST(TokenTable, KeepsEveryMomentToTheMillisecond) {
  Table table;
  const RowHandle row = table.app("a");
  for (const Milliseconds life :
       {Milliseconds(1), Milliseconds(7'200'123), Milliseconds(hours(47 * 24)),
        Milliseconds(hours(49 * 24)), Milliseconds(hours(51 * 24)), Milliseconds(hours(366 * 24)),
        Milliseconds(hours(200'000 * 24))}) {
    for (const Milliseconds after_renewal :
         {Milliseconds(0), Milliseconds(280'000), Milliseconds(1234), Milliseconds(hours(50)),
          Milliseconds(-5000)}) {
      Bounds bounds;
      bounds.renew_at = kT0 + life / 2;
      bounds.last_end = kT0 + life - Milliseconds(3);
      bounds.after_renewal = after_renewal;
      table.publish(row, {Secret(std::string_view("t1")), kT0, kT0 + life, "i"}, 1, {}, 0, bounds,
                    false, {});
      table.set_due(row, kT0 + life / 3);
      const RowState state = *table.state(row);
      EXPECT_EQ(state.obtained_at, kT0);
      EXPECT_EQ(state.expires_at, kT0 + life);
      EXPECT_EQ(state.bounds.renew_at, bounds.renew_at);
      EXPECT_EQ(state.bounds.last_end, bounds.last_end);
      EXPECT_EQ(state.bounds.after_renewal, after_renewal);
      EXPECT_EQ(table.due(row), kT0 + life / 3);
      table.set_due(row, kT0 - hours(1000));
      EXPECT_EQ(table.due(row), kT0 - hours(1000));
      EXPECT_EQ(table.state(row)->obtained_at, kT0);
      EXPECT_EQ(table.state(row)->expires_at, kT0 + life);
    }
  }
}

TEST(TokenTable, PromisesATokenOfAYearForAYear) {
  Table table;
  Bounds bounds;
  bounds.renew_at = kT0 + hours(300 * 24);
  bounds.last_end = kT0 + hours(365 * 24);
  table.publish(table.app("a"), {Secret(std::string_view("t1")), kT0, kT0 + hours(365 * 24), "i"},
                1, {}, 0, bounds, false, {});
  std::int64_t expires_in = 0;
  EXPECT_TRUE(table.read("a", {}, kT0, {}, [&](const TokenView& view) {
    expires_in = view.expires_in;
    EXPECT_EQ(view.expires_at, kT0 + hours(365 * 24));
  }));
  EXPECT_EQ(expires_in, 365 * 24 * 3600);
}

TEST(TokenTable, KeepsWhenSomethingIsDueBeforeThereIsAToken) {
  Table table;
  const RowHandle row = table.app("a");
  EXPECT_EQ(table.due(row), WallTime{});
  for (const WallTime due : {kT0, kT0 + hours(2000), kT0 - hours(2000), WallTime{}, WallTime::max(),
                             WallTime(Milliseconds(1))}) {
    table.set_due(row, due);
    EXPECT_EQ(table.due(row), due);
    EXPECT_EQ(table.state(row)->obtained_at, WallTime{});
    EXPECT_EQ(table.state(row)->bounds.renew_at, WallTime{});
  }
}

TEST(TokenTable, ChangesBoundsWithoutTouchingTheToken) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1");
  table.set_due(row, kT0 + seconds(7));
  table.set_bounds(row, lasting(seconds(10)));
  EXPECT_EQ(table.value("a", kT0 + seconds(9)), "t1");
  EXPECT_EQ(table.value("a", kT0 + seconds(10)), "");
  EXPECT_EQ(table.due(row), kT0 + seconds(7));
  EXPECT_EQ(table.state(row)->expires_at, kT0 + seconds(100));
}

// ---- apps, kinds and handles

TEST(TokenTable, KeepsWhatIsKnownOfAnApp) {
  Table table;
  store::SecretTag tag{};
  tag.fill(7);
  const RowHandle row = table.put_app("a", {3, true, false, tag}, kAccessToken);
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  for (const AppFacts& facts : {*table.facts("a"), table.facts_of(row), table.facts_of(ticket)}) {
    EXPECT_EQ(facts.app_class, 3);
    EXPECT_TRUE(facts.secret_login);
    EXPECT_FALSE(facts.from_config);
    EXPECT_EQ(facts.tag, tag);
  }
  EXPECT_EQ(table.put_app("a", {4, false, true, {}}, kAccessToken), row);
  EXPECT_EQ(table.facts("a")->app_class, 4);
  EXPECT_TRUE(table.facts("a")->from_config);
}

TEST(TokenTable, KeepsTheTokenOfAnAppThatIsPutAgain) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1");
  EXPECT_EQ(table.app("a"), row);
  EXPECT_EQ(table.value("a"), "t1");
  EXPECT_EQ(table.apps(), 1U);
}

TEST(TokenTable, TellsKindsApart) {
  Table table;
  const RowHandle main = table.app("a");
  table.give(main, "t1");
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  const RowHandle card = table.put(Key{"a", "wx_card_ticket"});
  table.give(ticket, "j1");
  table.give(card, "c1");
  EXPECT_EQ(table.value("a"), "t1");
  EXPECT_EQ(table.value("a", kT0, {}, kAccessToken), "t1");
  EXPECT_EQ(table.value("a", kT0, {}, kTicket), "j1");
  EXPECT_EQ(table.value("a", kT0, {}, "wx_card_ticket"), "c1");
  EXPECT_EQ(table.value("a", kT0, {}, "no_such_ticket"), "");
  EXPECT_EQ(table.key(main), Key{"a"});
  EXPECT_EQ(table.key(ticket), (Key{"a", std::string(kTicket)}));
  EXPECT_EQ(table.find(Key{"a", ""}), main);
  EXPECT_EQ(table.find(Key{"a", std::string(kTicket)}), ticket);
  EXPECT_EQ(table.put(Key{"a", std::string(kTicket)}), ticket);
  EXPECT_EQ(table.rows_of("a"), (std::vector{main, ticket, card}));
  EXPECT_TRUE(table.state(main)->is_main);
  EXPECT_FALSE(table.state(ticket)->is_main);
  EXPECT_EQ(table.apps(), 1U);
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.ids_after("", 10).size(), 1U);
}

TEST(TokenTable, TakesAnEmptyKindForTheMainOneOfEachApp) {
  Table table;
  table.give(table.put_app("component", {}, "component_access_token"), "t1");
  table.give(table.put_app("official", {}, kAccessToken), "t2");
  EXPECT_EQ(table.value("component"), "t1");
  EXPECT_EQ(table.value("component", kT0, {}, "component_access_token"), "t1");
  EXPECT_EQ(table.value("component", kT0, {}, kAccessToken), "");
  EXPECT_EQ(table.value("official"), "t2");
}

TEST(TokenTable, RemovesOneKindAndKeepsTheOthers) {
  Table table;
  const RowHandle main = table.app("a");
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  const RowHandle card = table.put(Key{"a", "wx_card_ticket"});
  table.give(ticket, "j1");
  table.give(card, "c1");
  table.remove(ticket);
  EXPECT_FALSE(table.stands(ticket));
  EXPECT_FALSE(table.owner("j1"));
  EXPECT_EQ(table.value("a", kT0, {}, kTicket), "");
  EXPECT_EQ(table.value("a", kT0, {}, "wx_card_ticket"), "c1");
  EXPECT_EQ(table.rows_of("a"), (std::vector{main, card}));
  table.remove(main);
  EXPECT_TRUE(table.stands(main)) << "the main row goes with its app";
}

TEST(TokenTable, ReplacesTheMainRowWhenTheMainKindChanges) {
  Table table;
  const RowHandle main = table.app("a");
  table.give(main, "t1");
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  table.give(ticket, "j1");
  const RowHandle card = table.put(Key{"a", "wx_card_ticket"});
  const RowHandle changed = table.put_app("a", {}, kTicket);
  EXPECT_FALSE(table.stands(main));
  EXPECT_FALSE(table.stands(ticket)) << "there is one row of a kind";
  EXPECT_TRUE(table.stands(card));
  EXPECT_EQ(table.key(changed), (Key{"a", std::string(kTicket)}));
  EXPECT_EQ(table.rows_of("a"), (std::vector{changed, card}));
  EXPECT_FALSE(table.state(changed)->has_token);
  EXPECT_FALSE(table.owner("t1"));
  EXPECT_EQ(table.apps(), 1U);
  EXPECT_EQ(table.size(), 2U);
}

TEST(TokenTable, ForgetsARemovedAppWithAllItsRows) {
  Table table;
  const RowHandle row = table.app("a");
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  table.give(row, "t1");
  table.give(ticket, "j1");
  table.remove_app("a");
  EXPECT_EQ(table.value("a"), "");
  EXPECT_FALSE(table.knows("a"));
  EXPECT_FALSE(table.state(row));
  EXPECT_FALSE(table.state(ticket));
  EXPECT_FALSE(table.owner("t1"));
  EXPECT_TRUE(table.rows_of("a").empty());
  EXPECT_EQ(table.apps(), 0U);
  EXPECT_EQ(table.size(), 0U);
  table.app("a");
  EXPECT_EQ(table.value("a"), "");
  EXPECT_EQ(table.value("a", kT0, {}, kTicket), "");
}

TEST(TokenTable, AHandleStandsForNothingOnceItsPlaceWasTakenAgain) {
  Table table;
  const RowHandle old = table.app("a");
  table.give(old, "t1");
  table.set_due(old, kT0);
  table.remove_app("a");
  const RowHandle next = table.app("a");
  EXPECT_EQ(next.id, old.id) << "the place is used again";
  EXPECT_NE(next, old);
  table.give(old, "t2");
  table.set_bounds(old, lasting(seconds(80)));
  table.set_due(old, kT0 + seconds(1));
  table.note_asked(old);
  table.clear(old);
  EXPECT_FALSE(table.stands(old));
  EXPECT_FALSE(table.state(old));
  EXPECT_EQ(table.due(old), WallTime{});
  EXPECT_FALSE(table.take_asked(old));
  EXPECT_TRUE(table.stands(next));
  EXPECT_FALSE(table.state(next)->has_token);
  EXPECT_EQ(table.due(next), WallTime{});
  EXPECT_FALSE(table.take_asked(next));
  EXPECT_FALSE(table.stands({0x7fffffff, 0}));
}

TEST(TokenTable, KeepsIssuers) {
  Table table;
  const RowHandle row = table.app("a");
  table.set_issuer(row, 7);
  table.publish(row, {Secret(std::string_view("t1")), kT0, kT0 + seconds(100), "i"}, 4, {}, 6,
                lasting(seconds(80)), false, {});
  EXPECT_EQ(table.state(row)->issuer, 7);
  EXPECT_EQ(table.state(row)->issued_by, 6);
  EXPECT_EQ(table.state(row)->revision, 4U);
  EXPECT_EQ(table.token(row).reveal(), "t1");
}

TEST(TokenTable, ForgetsATokenAndKeepsItsRow) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1", 3);
  table.give(row, "t2", 4, kT0 + seconds(80));
  table.set_due(row, kT0 + seconds(5));
  table.clear(row);
  EXPECT_TRUE(table.stands(row));
  EXPECT_EQ(table.value("a"), "");
  EXPECT_EQ(table.state(row)->revision, 0U);
  EXPECT_FALSE(table.state(row)->has_token);
  EXPECT_EQ(table.due(row), kT0 + seconds(5));
  EXPECT_FALSE(table.owner("t1"));
  EXPECT_FALSE(table.owner("t2"));
}

TEST(TokenTable, TellsWhetherSomebodyAsked) {
  Table table;
  const RowHandle row = table.app("a");
  EXPECT_FALSE(table.take_asked(row));
  EXPECT_EQ(table.value("a"), "") << "there is no token, and yet it was asked for";
  EXPECT_TRUE(table.take_asked(row));
  EXPECT_FALSE(table.take_asked(row));
  table.give(row, "t1");
  EXPECT_FALSE(table.take_asked(row));
  EXPECT_EQ(table.value("a"), "t1");
  EXPECT_TRUE(table.take_asked(row));
  table.note_asked(row);
  EXPECT_TRUE(table.take_asked(row));
}

TEST(TokenTable, VisitsEveryRow) {
  Table table;
  std::vector<RowHandle> rows;
  for (int i = 0; i < 1000; ++i) {
    rows.push_back(table.app("app" + std::to_string(i)));
    if (i % 10 == 0) {
      rows.push_back(table.put(Key{"app" + std::to_string(i), std::string(kTicket)}));
    }
  }
  std::vector<RowHandle> visited;
  table.for_each([&](RowHandle row) { visited.push_back(row); });
  std::sort(rows.begin(), rows.end());
  std::sort(visited.begin(), visited.end());
  EXPECT_EQ(visited, rows);
}

// ---- whose token

TEST(TokenTable, TellsWhoseTokenItIs) {
  Table table;
  for (int i = 0; i < 3000; ++i) {
    table.give(table.app("app" + std::to_string(i)), "token" + std::to_string(i));
  }
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(table.owner("token" + std::to_string(i)), Key{"app" + std::to_string(i)});
  }
  EXPECT_FALSE(table.owner("token3000"));
  EXPECT_FALSE(table.owner("token"));
  EXPECT_FALSE(table.owner(""));
}

TEST(TokenTable, TellsTokensOfOneFingerprintApart) {
  Table table;
  const Fingerprint same{77};
  for (int i = 0; i < 30; ++i) {
    table.publish(table.app("app" + std::to_string(i)),
                  {Secret("token" + std::to_string(i)), kT0, kT0 + seconds(100), "i"}, 1, same, 0,
                  lasting(seconds(80)), false, {});
  }
  for (int i = 0; i < 30; i += 3) table.remove_app("app" + std::to_string(i));
  for (int i = 0; i < 30; ++i) {
    const auto owner = table.owner_of("token" + std::to_string(i), same, kT0);
    EXPECT_EQ(owner, i % 3 == 0 ? std::nullopt : std::optional(Key{"app" + std::to_string(i)}));
  }
}

TEST(TokenTable, ComparesMoreThanTheFingerprint) {
  Table table;
  table.give(table.app("a"), "t1");
  EXPECT_FALSE(table.owner_of("t2", fingerprint_of("t1"), kT0));
  EXPECT_FALSE(table.owner_of("t11", fingerprint_of("t1"), kT0));
  EXPECT_FALSE(table.owner_of("t1", Fingerprint{fingerprint_of("t1").bits + 1}, kT0));
}

TEST(TokenTable, ComparesEveryByteOfAToken) {
  Table table;
  const Fingerprint same{77};
  const RowHandle row = table.app("a");
  for (std::size_t length = 1; length <= 25; ++length) {
    const std::string token(length, 't');
    table.publish(row, {Secret(std::string_view(token)), kT0, kT0 + seconds(100), "i"}, length,
                  same, 0, lasting(seconds(80)), false, {});
    EXPECT_TRUE(table.owner_of(token, same, kT0)) << length;
    for (std::size_t at = 0; at < length; ++at) {
      std::string other = token;
      other[at] = '\xf4';
      EXPECT_FALSE(table.owner_of(other, same, kT0)) << at << " of " << length;
    }
  }
}

TEST(TokenTable, RemembersADisplacedTokenAsLongAsItIsPromised) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1");
  table.give(row, "t2", 2, kT0 + seconds(80));
  EXPECT_EQ(table.owner("t2"), Key{"a"});
  EXPECT_EQ(table.owner("t1", kT0 + seconds(79)), Key{"a"});
  EXPECT_FALSE(table.owner("t1", kT0 + seconds(80)));
  table.remove_app("a");
  EXPECT_FALSE(table.owner("t1"));
}

TEST(TokenTable, RemembersNothingThatWasPromisedToNobodyAnyMore) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1");
  table.give(row, "t2", 2, kT0 + seconds(80), kT0 + seconds(80));
  EXPECT_FALSE(table.owner("t1"));
}

TEST(TokenTable, RemembersNoTokenThatIsPublishedAgain) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "t1");
  table.give(row, "t1", 1, kT0 + seconds(80));
  table.clear(row);
  EXPECT_FALSE(table.owner("t1"));
}

TEST(TokenTable, RemembersTheLatestFewOfARow) {
  Table table;
  const RowHandle row = table.app("a");
  for (int i = 0; i < 20; ++i) table.give(row, "t" + std::to_string(i), 1, kT0 + seconds(80));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(table.owner("t" + std::to_string(i)).has_value(), i >= 15) << i;
  }
}

TEST(TokenTable, TellsTheOwnerOfATokenThatComesBack) {
  Table table;
  const RowHandle row = table.app("a");
  for (int i = 0; i < 20; ++i) table.give(row, i % 2 == 0 ? "t1" : "t2", 1, kT0 + seconds(80));
  EXPECT_EQ(table.owner("t1"), Key{"a"});
  EXPECT_EQ(table.owner("t2"), Key{"a"});
}

TEST(TokenTable, TellsTheKindOfATokenToo) {
  Table table;
  table.app("a");
  const RowHandle ticket = table.put(Key{"a", std::string(kTicket)});
  table.give(ticket, "j1");
  table.give(ticket, "j2", 2, kT0 + seconds(80));
  EXPECT_EQ(table.owner("j1"), (Key{"a", std::string(kTicket)}));
  EXPECT_EQ(table.owner("j2"), (Key{"a", std::string(kTicket)}));
}

// ---- lists

TEST(TokenTable, ListsAppsInPages) {
  Table table;
  for (int i = 0; i < 1000; ++i) table.app("app" + std::to_string(1000 + i));
  std::vector<std::string> seen;
  for (std::string after;;) {
    const auto page = table.ids_after(after, 300);
    if (page.empty()) break;
    seen.insert(seen.end(), page.begin(), page.end());
    after = page.back();
  }
  EXPECT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(table.ids_after("app1500", 2), (std::vector<std::string>{"app1501", "app1502"}));
  EXPECT_EQ(table.ids_after("app1500x", 1), (std::vector<std::string>{"app1501"}));
  EXPECT_TRUE(table.ids_after("", 0).empty());
}

TEST(TokenTable, KeepsTheOrderAsAppsComeAndGo) {
  Table table;
  for (int i = 0; i < 500; ++i) table.app("app" + std::to_string(1000 + 2 * i));
  EXPECT_EQ(table.ids_after("", 1000).size(), 500U);
  for (int i = 0; i < 500; ++i) table.app("app" + std::to_string(1001 + 2 * i));
  for (int i = 0; i < 1000; i += 3) table.remove_app("app" + std::to_string(1000 + i));
  table.app("app1000");
  std::vector<std::string> expected{"app1000"};
  for (int i = 0; i < 1000; ++i) {
    if (i % 3 != 0) expected.push_back("app" + std::to_string(1000 + i));
  }
  EXPECT_EQ(table.ids_after("", 2000), expected);
}

TEST(TokenTable, CountsWhoHasAUsableToken) {
  Table table;
  for (const char* app : {"c", "a", "b"}) table.app(app);
  table.give(*table.find(Key{"b"}), "t1");
  table.give(table.put(Key{"a", std::string(kTicket)}), "j1");
  const auto census = table.census(kT0, 100);
  EXPECT_EQ(census.apps, 3U);
  EXPECT_EQ(census.usable, 1U);
  EXPECT_EQ(census.without, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(table.census(kT0, 1).without, (std::vector<std::string>{"a"}));
  EXPECT_TRUE(table.census(kT0, 0).without.empty());
}

// ---- several threads

TEST(TokenTable, ReadersNeverSeeHalfAToken) {
  Table table;
  const RowHandle row = table.app("a");
  const std::string values[] = {std::string(160, 'a'), std::string(500, 'b'), std::string(20, 'c')};
  table.give(row, values[0]);
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::string value = table.value("a");
        ASSERT_TRUE(value == values[0] || value == values[1] || value == values[2]);
        ++reads;
      }
    });
  }
  for (std::uint64_t i = 0; reads < 10'000 && !HasFailure(); ++i) {
    table.give(row, values[i % 3], i);
    table.app("other" + std::to_string(i % 5000));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

TEST(TokenTable, WhateverAReaderWasGivenHasAnOwnerAtOnce) {
  Table table;
  const RowHandle row = table.app("a");
  table.give(row, "token0");
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::string value = table.value("a");
        const auto owner = table.owner(value);
        // So slow a reader that its token was displaced several times is refused in earnest.
        ASSERT_TRUE(owner || table.value("a") != value);
        ++reads;
      }
    });
  }
  for (std::uint64_t i = 0; reads < 100'000 && !HasFailure(); ++i) {
    table.give(row, "token" + std::to_string(i), i, kT0 + seconds(80));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

TEST(TokenTable, IsAskedFromManyThreadsWhileEverythingChanges) {
  Table table;
  const auto name = [](int i) { return "app" + std::to_string(i % 2000); };
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      for (int i = t * 1000; !stop; ++i) {
        const std::string token = table.value(name(i), kT0, {}, i % 3 == 0 ? kTicket : "");
        const auto owner = table.owner(token.empty() ? "token" + std::to_string(i % 500) : token);
        ASSERT_TRUE(!owner || owner->app.starts_with("app"));
        ASSERT_EQ(table.facts(name(i)).value_or(AppFacts{}).app_class, 0);
        if (i % 16 == 0) {
          const auto page = table.ids_after(name(i), 20);
          ASSERT_TRUE(std::is_sorted(page.begin(), page.end()));
        }
        if (i % 64 == 0) {
          ASSERT_LE(table.census(kT0, 3).usable, 2000U);
        }
        ++rounds;
      }
    });
  }
  for (int i = 0; (rounds < 5000 || i < 20'000) && !HasFailure(); ++i) {
    const RowHandle main = table.app(name(i * 7));
    table.give(main, "token" + std::to_string(i % 500), 1, kT0 + seconds(80), kT0);
    if (i % 5 == 0) table.give(table.put(Key{name(i * 7), std::string(kTicket)}), "ticket");
    if (i % 4 == 0) table.set_due(main, kT0 + hours(i));
    if (i % 3 == 0) table.set_bounds(main, lasting(seconds(i % 4 == 0 ? 100 : 100'000'000)));
    if (i % 6 == 0) table.remove_app(name(i * 11));
    table.take_asked(main);
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace hufu::keeper
