#include "store/sqlite/sqlite_clock.hpp"

namespace hufu::store {

WallTime SqliteClock::now(SqliteDatabase& database) const {
  const auto offset = stored_offset(database);
  if (!offset) return clock_.wall();
  return WallTime(clock_.steady().time_since_epoch() + *offset);
}

void SqliteClock::set(SqliteDatabase& database) const {
  database.run("DELETE FROM clock");
  Query(database, "INSERT INTO clock (boot, wall_offset) VALUES (?, ?)")
      .bind_text(boot_id_)
      .bind(wall_offset().count())
      .run();
}

Milliseconds SqliteClock::behind_wall(SqliteDatabase& database) const {
  return wall_offset() - stored_offset(database).value_or(wall_offset());
}

Milliseconds SqliteClock::wall_offset() const {
  return clock_.wall().time_since_epoch() - clock_.steady().time_since_epoch();
}

std::optional<Milliseconds> SqliteClock::stored_offset(SqliteDatabase& database) const {
  Query row(database, "SELECT wall_offset FROM clock WHERE boot = ?");
  row.bind_text(boot_id_);
  if (!row.row()) return std::nullopt;
  const Milliseconds stored(row.integer(0));
  const Milliseconds ours = wall_offset();
  if (stored < ours - kMostApart || stored > ours + kMostApart) return std::nullopt;
  return stored;
}

}  // namespace hufu::store
