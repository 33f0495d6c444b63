#include <gmock/gmock.h>

#include "store/mongodb/mongodb_store.hpp"
#include "store/mongodb/mongodb_testing.hpp"

namespace hufu::store {
namespace {

using namespace hufu::store::testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MongoLegacyTest : public ::testing::Test {
 protected:
  static std::shared_ptr<MongoStore> open(const MongoDatabase& database) {
    MongoOptions options;
    options.uri = Secret(database.uri());
    return must_value(MongoStore::open(std::move(options), system_clock()));
  }
  std::vector<LegacyDocument> find() {
    return must(await<Result<std::vector<LegacyDocument>>>(
        [&](auto done) { store->find(kName, std::move(done)); }));
  }
  bool make(std::string_view token, WallTime end) {
    return must(await<Result<bool>>(
        [&](auto done) { store->make(kName, Secret(token), end, std::move(done)); }));
  }
  bool replace(LegacyDocument found, std::string_view token, WallTime end) {
    return must(await<Result<bool>>([&](auto done) {
      store->replace(kName, std::move(found), Secret(token), end, std::move(done));
    }));
  }
  /// As another program makes one.
  void insert(Doc& document) {
    document.text("name", kName.name);
    database.outsider().insert("tokens", document);
  }
  /// The documents as another program reads them: the token, whether it is promised for an hour,
  /// and whether `meta` has both dates.
  std::vector<std::string> documents() {
    std::vector<std::string> found;
    for (const Doc& document : database.find("tokens")) {
      const Fields fields(document);
      const Fields meta = fields.doc("meta");
      found.push_back(
          std::string(fields.text("token")) +
          (fields.number("expires_in") == (now + 1h).time_since_epoch().count() ? " 1h" : "") +
          (meta.date("createdAt") && meta.date("updatedAt") ? " dated" : ""));
    }
    return found;
  }

  const LegacyName kName{"tokens", "access_token"};
  MongoDatabase database;
  std::shared_ptr<MongoStore> store = open(database);
  const WallTime now = system_clock().wall();
};

TEST_F(MongoLegacyTest, ADocumentIsMadeAsTheOldProgramDid) {
  EXPECT_TRUE(make("one", now + 1h));
  EXPECT_THAT(documents(), ElementsAre("one 1h dated"));
  const Doc document = std::move(database.find("tokens").at(0));
  const auto end = Fields(document).find("expires_in");
  EXPECT_TRUE(BSON_ITER_HOLDS_DOUBLE(&end->at)) << "as JavaScript writes every number";
  const auto id = Fields(document).find("_id");
  EXPECT_TRUE(BSON_ITER_HOLDS_OID(&id->at)) << "which mongoose takes for granted";
}

TEST_F(MongoLegacyTest, OfTwoWhoMakeTheSameDocumentOneDoes) {
  EXPECT_TRUE(make("one", now + 1h));
  EXPECT_FALSE(make("two", now + 1h));
  EXPECT_THAT(documents(), ElementsAre("one 1h dated"));
}

TEST_F(MongoLegacyTest, AReplacedTokenMovesUpdatedAtAndNotCreatedAt) {
  Doc theirs;
  theirs.text("token", "old").number("expires_in", 5).text("theirs", "kept");
  theirs.doc("meta", Doc().date("createdAt", now - 24h).date("updatedAt", now - 1h));
  insert(theirs);
  EXPECT_TRUE(replace(std::move(find().at(0)), "new", now + 1h));
  EXPECT_THAT(documents(), ElementsAre("new 1h dated"));
  const Doc document = std::move(database.find("tokens").at(0));
  EXPECT_EQ(Fields(document).text("theirs"), "kept");
  EXPECT_EQ(Fields(document).doc("meta").date("createdAt"), now - 24h);
  EXPECT_GT(Fields(document).doc("meta").date("updatedAt"), now - 1min);
}

TEST_F(MongoLegacyTest, ATokenThatSomebodySavedMeanwhileIsNotReplaced) {
  make("one", now + 1h);
  auto found = find();
  Doc saved;
  saved.text("token", "theirs");
  database.outsider().update("tokens", Doc(), Doc().doc("$set", saved));
  EXPECT_FALSE(replace(std::move(found.at(0)), "two", now + 1h));
  EXPECT_THAT(documents(), ElementsAre("theirs 1h dated"));
}

TEST_F(MongoLegacyTest, SeveralOfOneNameAreFoundAndReplacedOneByOne) {
  Doc plain;
  plain.text("token", "old").number("expires_in", 5);
  insert(plain);
  Doc odd;
  odd.text("meta", "function () {}").real("expires_in", 1.5).number("token", 7);
  insert(odd);
  auto found = find();
  ASSERT_THAT(found, SizeIs(2));
  for (auto& document : found) EXPECT_TRUE(replace(std::move(document), "one", now + 1h));
  EXPECT_THAT(documents(), ElementsAre("one 1h dated", "one 1h dated"));
}

TEST_F(MongoLegacyTest, ADocumentIsReadHoweverAProgramWroteIt) {
  EXPECT_THAT(find(), IsEmpty());
  const std::int64_t end = (now + 1h).time_since_epoch().count();
  Doc nonsense;
  nonsense.text("token", "nonsense").text("expires_in", "soon");
  insert(nonsense);
  EXPECT_FALSE(find().at(0).promised_until);
  Doc real;
  real.text("token", "real").real("expires_in", static_cast<double>(end));
  insert(real);
  EXPECT_TRUE(find().at(0).token.same_as("real"));
  EXPECT_EQ(find().at(0).promised_until, now + 1h);
  EXPECT_FALSE(find().at(0).written_at);
  Doc text;
  text.text("token", "text").text("expires_in", std::to_string(end + 1));
  text.doc("meta", Doc().text("updatedAt", "[Function]"));
  insert(text);
  EXPECT_TRUE(find().at(0).token.same_as("text"));
  Doc dated;
  dated.text("token", "dated").number("expires_in", end);
  dated.doc("meta", Doc().text("updatedAt", "x").date("createdAt", now - 1min));
  insert(dated);
  EXPECT_TRUE(find().at(0).token.same_as("dated")) << "the newest of them";
  EXPECT_EQ(find().at(0).written_at, now - 1min);
  Doc other;
  other.text("name", "another").text("token", "another");
  database.outsider().insert("tokens", other);
  EXPECT_THAT(find(), SizeIs(4));
}

TEST_F(MongoLegacyTest, ItsClockIsTheServers) {
  const WallTime shown = store->at(system_clock().steady() + 1h);
  const WallTime asked = time_of(*store).value();
  EXPECT_LE(shown, asked + 1h);
  EXPECT_GT(shown, asked + 59min);
}

}  // namespace
}  // namespace hufu::store
