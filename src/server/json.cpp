#include "server/json.hpp"

#include <algorithm>
#include <charconv>

#include "server/query.hpp"
#include "server/verdict.hpp"

namespace hufu::server {
namespace {

/// A member's name and colon, with a comma before all but the first.
void append_name(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":";
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  append_name(out, name);
  append_string(out, text);
}

void append_member(std::string& out, std::string_view name, std::int64_t number) {
  append_name(out, name);
  append_number(out, number);
}

/// A member whose name comes from outside.
void append_setting(std::string& out, std::string_view name, std::string_view text) {
  if (out.back() != '{') out += ',';
  append_string(out, name);
  out += ':';
  append_string(out, text);
}

void append_flag(std::string& out, std::string_view name, bool flag) {
  append_name(out, name);
  out += flag ? "true" : "false";
}

void append_time_member(std::string& out, std::string_view name, WallTime time) {
  append_name(out, name);
  append_time(out, time);
}

void append_fingerprint(std::string& out, Fingerprint fingerprint) {
  append_name(out, "fingerprint");
  out += '"';
  append_hex(out, fingerprint);
  out += '"';
}

/// Everything of a token but the closing brace.
void open_token(std::string& out, std::string_view app, std::string_view kind,
                std::string_view token, std::int64_t expires_in, WallTime expires_at,
                std::uint64_t revision, Fingerprint fingerprint) {
  out += '{';
  append_member(out, "app", app);
  append_member(out, "kind", kind);
  append_member(out, "token", token);
  append_member(out, "expires_in", expires_in);
  append_time_member(out, "expires_at", expires_at);
  append_member(out, "revision", static_cast<std::int64_t>(revision));
  append_fingerprint(out, fingerprint);
}

void open_token(std::string& out, const Grant& grant) {
  open_token(out, grant.key.app, grant.key.kind, grant.token.reveal(), grant.expires_in.count(),
             grant.expires_at, grant.revision, grant.fingerprint);
  if (grant.suspect) append_flag(out, "suspect", true);
}

void append_trouble(std::string& out, const FailureState& failure) {
  append_name(out, "trouble");
  out += '{';
  append_member(out, "code", name_of(failure.error.fault));
  if (failure.error.errcode) append_member(out, "errcode", *failure.error.errcode);
  append_member(out, "message", failure.error.message);
  if (!failure.error.next_step.empty()) append_member(out, "next_step", failure.error.next_step);
  append_time_member(out, "at", failure.at);
  append_time_member(out, "next_attempt_at", failure.next_attempt_at);
  append_member(out, "failures", failure.failures);
  out += '}';
}

/// An object and not a function, so that a search for it is compiled into a loop.
constexpr auto kMustBeEscaped = [](char c) {
  return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
};

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (auto rest = text.begin(); rest != text.end();) {
    auto plain_end = std::find_if(rest, text.end(), kMustBeEscaped);
    out.append(rest, plain_end);
    if (plain_end == text.end()) return;
    char c = *plain_end;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 0xf];
    }
    rest = plain_end + 1;
  }
}

/// "-1.234".
void append_seconds(std::string& out, Milliseconds span) {
  const auto millis = span.count() < 0 ? -span.count() : span.count();
  if (span.count() < 0) out += '-';
  append_number(out, millis / 1000);
  out += '.';
  for (auto unit = 100; unit > 0; unit /= 10) {
    out += static_cast<char>('0' + millis / unit % 10);
  }
}

void append_texts(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
  append_name(out, name);
  out += '[';
  for (const std::string& text : texts) {
    if (out.back() != '[') out += ',';
    append_string(out, text);
  }
  out += ']';
}

void append_counts(std::string& out, const keeper::TokenCounts& counts) {
  append_name(out, "counts");
  out += '{';
  for (auto [name, count] :
       {std::pair("fresh", counts.fresh), std::pair("stale", counts.stale),
        std::pair("unusable", counts.unusable), std::pair("missing", counts.missing),
        std::pair("failing", counts.failing)}) {
    append_member(out, name, static_cast<std::int64_t>(count));
  }
  out += '}';
}

template <class Row>
void append_list(std::string& out, std::string_view name, const std::vector<Row>& rows) {
  append_name(out, name);
  out += '[';
  for (const Row& row : rows) {
    if (out.back() != '[') out += ',';
    append_json(out, row);
  }
  out += ']';
}

void append_two_digits(std::string& out, unsigned number) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

}  // namespace

void append_characters(std::string& out, std::string_view text) {
  if (is_utf8(text)) {
    append_escaped(out, text);
  } else {
    for (std::size_t i = 0; i < text.size(); ++i) {
      bool ascii = static_cast<unsigned char>(text[i]) < 0x80;
      append_escaped(out, ascii ? text.substr(i, 1) : std::string_view("\xef\xbf\xbd"));
    }
  }
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_characters(out, text);
  out += '"';
}

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

void append_hex(std::string& out, Fingerprint fingerprint) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[(fingerprint.bits >> shift) & 0xf];
}

void append_time(std::string& out, WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  auto day = std::chrono::floor<std::chrono::days>(seconds);
  std::chrono::year_month_day date(day);
  auto of_day = static_cast<unsigned>((seconds - day).count());
  auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  out += '"';
  append_two_digits(out, year / 100);
  append_two_digits(out, year % 100);
  out += '-';
  append_two_digits(out, static_cast<unsigned>(date.month()));
  out += '-';
  append_two_digits(out, static_cast<unsigned>(date.day()));
  out += 'T';
  append_two_digits(out, of_day / 3600);
  out += ':';
  append_two_digits(out, of_day / 60 % 60);
  out += ':';
  append_two_digits(out, of_day % 60);
  out += "Z\"";
}

void append_json(std::string& out, const Grant& grant) {
  open_token(out, grant);
  out += '}';
}

void append_json(std::string& out, std::string_view app, const keeper::TokenView& view) {
  open_token(out, app, view.kind, view.token, view.expires_in, view.expires_at, view.revision,
             view.fingerprint);
  out += '}';
}

void append_json(std::string& out, const Report& report) {
  open_token(out, report.grant);
  append_member(out, "outcome", name_of(report.outcome));
  out += '}';
}

void append_json(std::string& out, const keeper::Refreshed& refreshed) {
  open_token(out, refreshed.grant);
  if (refreshed.older_work_until) {
    append_time_member(out, "older_work_until", *refreshed.older_work_until);
  }
  out += '}';
}

void append_json(std::string& out, const keeper::AppInfo& app) {
  out += '{';
  append_member(out, "id", app.id);
  append_member(out, "platform", app.platform);
  if (!app.parent.empty()) append_member(out, "parent", app.parent);
  for (const auto& [name, text] : app.settings) append_setting(out, name, text);
  append_texts(out, "credentials", app.credentials);
  append_texts(out, "keep", app.keep);
  append_flag(out, "secret_login", app.secret_login);
  append_member(out, "origin", app.from_config ? "config" : "store");
  if (!app.legacy_document.empty()) {
    append_member(out, "legacy_document", app.legacy_document);
    append_member(out, "legacy_collection", app.legacy_collection);
  }
  out += '}';
}

void append_json(std::string& out, const keeper::AppPage& page) {
  out += '{';
  append_list(out, "apps", page.apps);
  if (!page.next.empty()) append_member(out, "next", page.next);
  out += '}';
}

void append_json(std::string& out, const TokenStatus& status) {
  out += '{';
  append_member(out, "app", status.key.app);
  append_member(out, "kind", status.key.kind);
  append_member(out, "issuer", status.issuer);
  append_member(out, "state", name_of(status.state));
  append_member(out, "revision", static_cast<std::int64_t>(status.revision));
  append_member(out, "expires_in", status.expires_in.count());
  if (status.fingerprint) append_fingerprint(out, *status.fingerprint);
  if (status.obtained_at != WallTime()) append_time_member(out, "obtained_at", status.obtained_at);
  if (status.expires_at != WallTime()) append_time_member(out, "expires_at", status.expires_at);
  if (status.renew_at != WallTime()) append_time_member(out, "renew_at", status.renew_at);
  if (status.suspect) append_flag(out, "suspect", true);
  if (status.renewing) append_flag(out, "renewing", true);
  if (status.failure) append_trouble(out, *status.failure);
  if (!status.notice.empty()) append_member(out, "notice", status.notice);
  out += '}';
}

void append_json(std::string& out, const store::NodeRow& node) {
  out += '{';
  append_member(out, "name", node.name);
  append_member(out, "host", node.host);
  append_member(out, "version", node.version);
  append_member(out, "listen", node.listen);
  append_time_member(out, "started_at", node.started_at);
  append_time_member(out, "seen_at", node.seen_at);
  append_name(out, "clock_ahead");
  append_seconds(out, node.clock_ahead);
  append_member(out, "fenced", static_cast<std::int64_t>(node.fenced));
  out += '}';
}

void append_json(std::string& out, const store::LeaseRow& lease) {
  out += '{';
  append_member(out, "app", lease.key.app);
  append_member(out, "kind", lease.key.kind);
  append_member(out, "holder", lease.holder);
  append_member(out, "fence", static_cast<std::int64_t>(lease.fence));
  append_member(out, "remaining",
                std::chrono::floor<std::chrono::seconds>(lease.remaining).count());
  out += '}';
}

void append_json(std::string& out, const keeper::Status& status) {
  out += '{';
  append_member(out, "verdict", verdict_on(status));
  append_flag(out, "store_usable", status.store_ok);
  append_time_member(out, "now", status.cluster.now);
  append_counts(out, status.page.counts);
  append_list(out, "tokens", status.page.tokens);
  append_list(out, "nodes", status.cluster.nodes);
  append_list(out, "leases", status.cluster.leases);
  if (!status.page.next.empty()) append_member(out, "next", status.page.next);
  out += '}';
}

}  // namespace hufu::server
