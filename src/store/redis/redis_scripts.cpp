#include "store/redis/redis_scripts.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "store/redis/redis_rows.hpp"

namespace hufu::store::redis_scripts {
namespace {

/// What all of them begin with. `call` is redis.call, but its failure names the command: which
/// right is missing, for one. `now` is in milliseconds. Numbers are turned into text by `text`:
/// Lua's own way would write large ones as 1.7e+15.
///
/// `append_change` notes a change and returns its number, as text. A number is at least the
/// server's time in microseconds, so that it goes on growing even where the dataset was lost;
/// fences are these numbers. The stream's own last id is the only memory of them. Whoever is short
/// of memory fails here (XADD), before anything else was written.
constexpr const char* kPrelude = R"lua(
if redis.replicate_commands then redis.replicate_commands() end
local function call(name, ...)
  local answer = redis.pcall(name, ...)
  if type(answer) == 'table' and answer.err then error(name .. ': ' .. answer.err, 0) end
  return answer
end
local clock = call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
local function text(number) return string.format('%.0f', number) end
local function newest(stream)
  local entry = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return entry and tonumber(string.match(entry[1], '^%d+')) or 0
end
local function append_change(stream, channel, keep, app, kind)
  local number = text(math.max(newest(stream) + 1, now_us))
  call('XADD', stream, 'MAXLEN', '~', keep, number .. '-0', 'app', app, 'kind', kind)
  call('PUBLISH', channel, number)
  return number
end
local function rest(from)
  local fields = {}
  for i = from, #ARGV do fields[#fields + 1] = ARGV[i] end
  return fields
end
)lua";

net::RedisScript script(std::string_view body, std::string_view more = {}) {
  std::string text(kPrelude);
  text.append(body).append(more);
  return net::RedisScript(std::move(text));
}

/// "'revision', 'token', …", for an HMGET inside a script.
std::string token_field_list() {
  std::string list;
  for (const std::string_view field : token_fields()) {
    list += std::string(list.empty() ? "'" : ", '") + std::string(field) + "'";
  }
  return list;
}

/// KEYS store, changes. ARGV channel, keep, an identity for a store that has none, schema.
/// An older schema is raised to this one: its rows are read as they are, and rewritten one by one.
/// Answers identity and schema.
constexpr const char* kOpen = R"lua(
local fresh = call('HSETNX', KEYS[1], 'identity', ARGV[3])
local written = call('HGET', KEYS[1], 'schema')
if not written or (tonumber(written) or math.huge) < tonumber(ARGV[4]) then
  call('HSET', KEYS[1], 'schema', ARGV[4])
end
if fresh == 1 or newest(KEYS[2]) == 0 then append_change(KEYS[2], ARGV[1], ARGV[2], '', '') end
return call('HMGET', KEYS[1], 'identity', 'schema')
)lua";

/// KEYS store, changes. ARGV channel, keep, an identity for a store that has none, schema, the
/// number of the last change that is known or '', how many to tell at most.
/// Answers identity, the number of the newest change, and the number, app and kind of each one from
/// that which is known on, itself included if it is still there.
constexpr const char* kChanges = R"lua(
if call('HEXISTS', KEYS[1], 'identity') == 0 then
  call('HSET', KEYS[1], 'identity', ARGV[3], 'schema', ARGV[4])
end
if newest(KEYS[2]) == 0 then append_change(KEYS[2], ARGV[1], ARGV[2], '', '') end
local answer = {call('HGET', KEYS[1], 'identity'), text(newest(KEYS[2]))}
if ARGV[5] ~= '' then
  for _, entry in ipairs(call('XRANGE', KEYS[2], ARGV[5], '+', 'COUNT', ARGV[6])) do
    answer[#answer + 1] = string.match(entry[1], '^%d+')
    answer[#answer + 1] = entry[2][2]
    answer[#answer + 1] = entry[2][4]
  end
end
return answer
)lua";

/// KEYS token, tokens, leases, changes. ARGV channel, keep, member, app, kind, seen, holder,
/// length, in-doubt call up to its fence, grace, and the holder and fence of a lease whose process
/// is known to be gone. Answers 'newer' and the record; 'held', holder, fence and remaining time;
/// or 'granted', fence and the record. A lease that has more time left than it was given, and a
/// minute: the server's clock was set back, and nobody knows when it ends.
std::string acquire_lease_text() {
  return R"lua(
local function record() return call('HMGET', KEYS[1], )lua" +
         token_field_list() + R"lua() end
local row = call('HMGET', KEYS[1], 'revision', 'fence', 'holder', 'lease_until', 'lease_length')
local revision = tonumber(row[1] or '0') or 0
if revision > tonumber(ARGV[6]) then return {'newer', record()} end
local holder = row[3] or ''
if holder ~= '' and not (holder == ARGV[11] and row[2] == ARGV[12]) then
  local remaining = (tonumber(row[4]) or 0) - now
  local possible = remaining <= (tonumber(row[5]) or 0) + 60000
  remaining = remaining + tonumber(ARGV[10])
  if possible and remaining > 0 then return {'held', holder, row[2], text(remaining)} end
end
local fence = append_change(KEYS[4], ARGV[1], ARGV[2], ARGV[4], ARGV[5])
local till = text(now + tonumber(ARGV[8]))
call('ZADD', KEYS[2], 0, ARGV[3])
call('ZADD', KEYS[3], till, ARGV[3])
if not row[1] then
  call('HSET', KEYS[1], 'app', ARGV[4], 'kind', ARGV[5], 'revision', '0', 'created_at', text(now))
end
local marks = call('HGET', KEYS[1], 'marks') or ''
call('HSET', KEYS[1], 'fence', fence, 'holder', ARGV[7], 'lease_until', till,
     'lease_length', ARGV[8], 'marks', marks .. ARGV[9] .. '#' .. fence .. ';', 'late_marks', '',
     'updated_at', text(now))
return {'granted', fence, record()}
)lua";
}

/// KEYS token, leases, changes. ARGV channel, keep, member, app, kind, fence, holder, in-doubt
/// calls, and the other fields with their values. Answers 1, or 0 if the lease was lost.
constexpr const char* kCommit = R"lua(
local row = call('HMGET', KEYS[1], 'fence', 'holder', 'late_marks')
if row[1] ~= ARGV[6] or row[2] ~= ARGV[7] or ARGV[7] == '' then return 0 end
append_change(KEYS[3], ARGV[1], ARGV[2], ARGV[4], ARGV[5])
call('HSET', KEYS[1], 'marks', ARGV[8] .. (row[3] or ''), 'late_marks', '', 'holder', '',
     'lease_until', '0', 'updated_at', text(now), unpack(rest(9)))
call('ZREM', KEYS[2], ARGV[3])
return 1
)lua";

/// KEYS token, changes. ARGV channel, keep, app, kind, in_doubt_call. Answers 1, or 0 without a
/// record.
constexpr const char* kAddInDoubt = R"lua(
if call('EXISTS', KEYS[1]) == 0 then return 0 end
append_change(KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local row = call('HMGET', KEYS[1], 'marks', 'late_marks')
call('HSET', KEYS[1], 'marks', (row[1] or '') .. ARGV[5], 'late_marks', (row[2] or '') .. ARGV[5],
     'updated_at', text(now))
return 1
)lua";

/// The tokens of an app, as `member` each. KEYS[3] is tokens; ARGV[4] the app as it stands in
/// there.
constexpr const char* kTokensOfApp = R"lua(
local members = call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[4] .. ':', '(' .. ARGV[4] .. ';')
)lua";

/// KEYS app, apps, tokens, changes. ARGV channel, keep, app, the app as it stands in `tokens`, what
/// a token's key begins with, and the fields with their values.
constexpr const char* kPutApp = R"lua(
append_change(KEYS[4], ARGV[1], ARGV[2], ARGV[3], '')
call('ZADD', KEYS[2], 0, ARGV[3])
call('HSETNX', KEYS[1], 'created_at', text(now))
call('HSET', KEYS[1], 'updated_at', text(now), unpack(rest(6)))
for _, member in ipairs(members) do
  local token = ARGV[5] .. member
  local row = call('HMGET', token, 'trouble', 'kind')
  if row[1] and row[1] ~= '' then
    append_change(KEYS[4], ARGV[1], ARGV[2], ARGV[3], row[2])
    call('HSET', token, 'trouble', '', 'updated_at', text(now))
  end
end
return 1
)lua";

/// KEYS app, apps, tokens, changes, leases. ARGV channel, keep, app, the app as it stands in
/// `tokens`, what a token's key begins with. Answers 1, or 0 without such an app. Removes before it
/// notes the changes, so that it works where memory is short.
constexpr const char* kRemoveApp = R"lua(
if call('DEL', KEYS[1]) == 0 then return 0 end
call('ZREM', KEYS[2], ARGV[3])
for _, member in ipairs(members) do
  local kind = call('HGET', ARGV[5] .. member, 'kind')
  call('DEL', ARGV[5] .. member)
  call('ZREM', KEYS[3], member)
  call('ZREM', KEYS[5], member)
  if kind then append_change(KEYS[4], ARGV[1], ARGV[2], ARGV[3], kind) end
end
append_change(KEYS[4], ARGV[1], ARGV[2], ARGV[3], '')
return 1
)lua";

/// KEYS key, api_keys, changes. ARGV channel, keep, name, and the fields with their values. Answers
/// 1, or 0 if there is one of that name.
constexpr const char* kPutKey = R"lua(
if call('EXISTS', KEYS[1]) == 1 then return 0 end
append_change(KEYS[3], ARGV[1], ARGV[2], '', '')
call('HSET', KEYS[1], 'created_at', text(now), unpack(rest(4)))
call('ZADD', KEYS[2], 0, ARGV[3])
return 1
)lua";

/// KEYS key, api_keys, changes. ARGV channel, keep, name. Answers 1, or 0 if there is none.
constexpr const char* kRevokeKey = R"lua(
call('ZREM', KEYS[2], ARGV[3])
if call('DEL', KEYS[1]) == 0 then return 0 end
append_change(KEYS[3], ARGV[1], ARGV[2], '', '')
return 1
)lua";

/// KEYS sealing_keys. ARGV id, check, 'first' or 'any'. Answers 1, or 0 if it changed nothing.
constexpr const char* kNoteKey = R"lua(
local notes = call('LRANGE', KEYS[1], 0, -1)
if ARGV[3] == 'first' and #notes > 0 then return 0 end
for i = 1, #notes, 2 do
  if notes[i] == ARGV[1] then return 0 end
end
call('RPUSH', KEYS[1], ARGV[1], ARGV[2])
return 1
)lua";

/// KEYS row, changes. ARGV channel, keep, app, kind, field, from, to. Answers 1, or 0 if it is not
/// the one in `from`.
constexpr const char* kReseal = R"lua(
if call('HGET', KEYS[1], ARGV[5]) ~= ARGV[6] then return 0 end
append_change(KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
call('HSET', KEYS[1], ARGV[5], ARGV[7])
return 1
)lua";

/// KEYS node, nodes. ARGV name, what a node's key begins with, forget, and the fields with their
/// values.
constexpr const char* kAnnounce = R"lua(
local long_ago = text(now - tonumber(ARGV[3]))
for _, name in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. long_ago)) do
  local escaped = string.gsub(string.gsub(name, '%%', '%%25'), ':', '%%3A')
  call('DEL', ARGV[2] .. escaped)
  call('ZREM', KEYS[2], name)
end
call('HSET', KEYS[1], 'seen_at', text(now), unpack(rest(4)))
call('ZADD', KEYS[2], text(now), ARGV[1])
return 1
)lua";

}  // namespace

const net::RedisScript& open() {
  static const net::RedisScript kScript = script(kOpen);
  return kScript;
}
const net::RedisScript& changes() {
  static const net::RedisScript kScript = script(kChanges);
  return kScript;
}
const net::RedisScript& acquire_lease() {
  static const net::RedisScript kScript = script(acquire_lease_text());
  return kScript;
}
const net::RedisScript& commit() {
  static const net::RedisScript kScript = script(kCommit);
  return kScript;
}
const net::RedisScript& add_in_doubt() {
  static const net::RedisScript kScript = script(kAddInDoubt);
  return kScript;
}
const net::RedisScript& put_app() {
  static const net::RedisScript kScript = script(kTokensOfApp, kPutApp);
  return kScript;
}
const net::RedisScript& remove_app() {
  static const net::RedisScript kScript = script(kTokensOfApp, kRemoveApp);
  return kScript;
}
const net::RedisScript& put_key() {
  static const net::RedisScript kScript = script(kPutKey);
  return kScript;
}
const net::RedisScript& revoke_key() {
  static const net::RedisScript kScript = script(kRevokeKey);
  return kScript;
}
const net::RedisScript& note_key() {
  static const net::RedisScript kScript = script(kNoteKey);
  return kScript;
}
const net::RedisScript& reseal() {
  static const net::RedisScript kScript = script(kReseal);
  return kScript;
}
const net::RedisScript& announce() {
  static const net::RedisScript kScript = script(kAnnounce);
  return kScript;
}

}  // namespace hufu::store::redis_scripts
