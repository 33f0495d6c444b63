#include "store/postgresql/postgresql_feed.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "store/change_log.hpp"

namespace hufu::store {
namespace {

/// Writes of this process, through whichever of its stores: it hears of them without a server.
std::atomic<std::uint64_t> written_here{0};

/// $1, $2: number and time of the entry that the cursor names; $3: its snapshot; $4: its database.
/// All nothing where there is no cursor. `writer >=` lets the index find what the next line judges.
const std::string kLook = R"sql(
SELECT feed.identity, newest.sequence, newest.told_at, pg_current_snapshot()::text,
       feed.identity = $4 AND EXISTS (
         SELECT FROM hufu_changes WHERE sequence = $1 AND told_at = $2) AS known,
       news.app, news.kind
FROM hufu_feed AS feed
CROSS JOIN (SELECT sequence, told_at FROM hufu_changes ORDER BY sequence DESC LIMIT 1) AS newest
LEFT JOIN (
  SELECT DISTINCT app, kind FROM hufu_changes
  WHERE (sequence > $1 OR writer >= pg_snapshot_xmin($3::pg_snapshot))
    AND NOT (sequence <= $1 AND pg_visible_in_snapshot(writer, $3::pg_snapshot))
) AS news ON true
)sql";

/// $1: at least so many entries are kept.
const std::string kTrim = R"sql(
WITH newest AS (
  SELECT max(sequence) AS sequence FROM hufu_changes
), due AS (
  SELECT feed.sequence, feed.snapshot FROM hufu_feed AS feed, newest
  WHERE newest.sequence - feed.sequence >= $1 FOR UPDATE OF feed SKIP LOCKED
), dropped AS (
  DELETE FROM hufu_changes AS entry USING due
  WHERE entry.sequence <= due.sequence AND pg_visible_in_snapshot(entry.writer, due.snapshot)
)
UPDATE hufu_feed SET sequence = newest.sequence, snapshot = pg_current_snapshot() FROM newest, due
)sql";

/// "IDENTITY.SEQUENCE.TOLD_AT.SNAPSHOT"
struct Cursor {
  std::string identity;
  std::int64_t sequence = 0;
  std::int64_t told_at = 0;
  std::string snapshot;  ///< As PostgreSQL writes it: "795:799:795,797".
};

std::string text_of(const Cursor& cursor) {
  return cursor.identity + "." + std::to_string(cursor.sequence) + "." +
         std::to_string(cursor.told_at) + "." + cursor.snapshot;
}

/// The text before the next dot, or the rest.
std::string_view take_part(std::string_view& text) {
  const std::size_t end = std::min(text.find('.'), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

template <class Number>
bool read(std::string_view text, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// Whether PostgreSQL would read it: two numbers that do not fall, then rising ones between them.
bool is_snapshot(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return false;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  if (!read(text.substr(0, first), from) || from == 0) return false;
  if (!read(text.substr(first + 1, second - first - 1), to) || to < from) return false;
  for (std::size_t at = second + 1; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::uint64_t one = 0;
    if (!read(text.substr(at, end - at), one) || one < from || one >= to) return false;
    from = one;
    at = end + 1;
  }
  return true;
}

std::optional<Cursor> cursor_from(std::string_view text) {
  Cursor cursor;
  cursor.identity = take_part(text);
  if (!read(take_part(text), cursor.sequence) || !read(take_part(text), cursor.told_at)) {
    return std::nullopt;
  }
  if (!is_snapshot(text)) return std::nullopt;
  cursor.snapshot = text;
  return cursor;
}

}  // namespace

PostgresqlFeed::PostgresqlFeed(std::size_t log, const Clock& clock,
                               PostgresqlListener::Connect connect)
    : log_(std::max<std::size_t>(log, 1)), clock_(clock), listener_(std::move(connect)) {}

std::optional<Changes> PostgresqlFeed::without_asking(const std::string& cursor) const {
  if (cursor.empty() || !listener_.listening()) return std::nullopt;
  const std::uint64_t heard = listener_.heard();
  const std::uint64_t written = written_here;
  std::lock_guard lock(mutex_);
  if (cursor != seen_.cursor || heard != seen_.heard || written != seen_.written ||
      clock_.steady() - seen_.at >= kSafety) {
    return std::nullopt;
  }
  Changes none;
  none.cursor = cursor;
  return none;
}

Changes PostgresqlFeed::look(PostgresqlConnection& connection, const std::string& cursor) {
  // All of this before the question, so that at worst the next call asks once more.
  Seen seen{"", listener_.heard(), written_here, clock_.steady()};

  const auto since = cursor_from(cursor);
  PostgresqlQuery query(connection, kLook);
  if (since) {
    query.bind(since->sequence).bind(since->told_at);
    query.bind_text(since->snapshot).bind_text(since->identity);
  } else {
    query.bind_null().bind_null().bind_null().bind_null();
  }
  const PostgresqlRows rows = query.run();
  if (rows.empty()) throw PostgresqlFailure{"42P01", "the change log is empty"};

  Changes changes;
  changes.cursor =
      text_of({rows.text(0, 0), rows.integer(0, 1), rows.integer(0, 2), rows.text(0, 3)});
  const bool known = since && !rows.is_null(0, 4) && rows.integer(0, 4) != 0;
  changes.everything = !cursor.empty() && !known;
  for (int row = 0; known && row < rows.size(); ++row) {
    if (rows.is_null(row, 5)) continue;
    add_change(changes, {rows.text(row, 5), rows.text(row, 6)});
  }

  seen.cursor = changes.cursor;
  std::lock_guard lock(mutex_);
  seen_ = std::move(seen);
  return changes;
}

bool PostgresqlFeed::wrote() {
  ++written_here;
  return ++writes_ % std::max<std::size_t>(log_ / 8, 1) == 0;
}

void PostgresqlFeed::trim(PostgresqlConnection& connection) const {
  PostgresqlQuery(connection, kTrim).bind(std::uint64_t{log_}).run();
}

}  // namespace hufu::store
