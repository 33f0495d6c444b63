#include <algorithm>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "server/json.hpp"

namespace hufu::cli {
namespace {

Result<std::vector<TokenStatus>> ask(const Context& context) {
  auto progress = context.progress("Reading the status");
  auto backend = open_backend(context);
  if (!backend) return tl::unexpected(backend.error());
  return (*backend)->status();
}

/// "Next renewal in 3 min 12 s (wx…)"; empty where none is planned.
std::string next_renewal(const std::vector<TokenStatus>& tokens, WallTime now) {
  const TokenStatus* next = nullptr;
  for (const TokenStatus& token : tokens) {
    if (token.renew_at == WallTime() || token.renew_at == WallTime::max()) continue;
    if (next == nullptr || token.renew_at < next->renew_at) next = &token;
  }
  if (next == nullptr) return {};
  const bool due = next->renew_at <= now;
  return (due ? "A renewal is due" : "Next renewal in " + in_words(next->renew_at - now)) + " (" +
         next->key.app + ")";
}

std::string state(const TokenStatus& token) {
  return std::string(name_of(token.state)) + (token.suspect ? ", suspect" : "");
}

std::string left(const TokenStatus& token) {
  return token.expires_in.count() > 0 ? in_words(token.expires_in) : "-";
}

std::string renewal(const TokenStatus& token, WallTime now) {
  if (token.renewing) return "under way";
  if (token.renew_at <= now)
    return token.state == TokenState::missing ? "not yet asked for" : "due";
  return "in " + in_words(token.renew_at - now);
}

std::string last_error(const TokenStatus& token) {
  if (!token.trouble) return "-";
  const Error& error = token.trouble->error;
  return (error.errcode ? std::to_string(*error.errcode) + ": " : "") + error.message;
}

ExitStatus status(const Context& context) {
  auto tokens = ask(context);
  if (!tokens) return context.fail(tokens.error());
  if (context.json) {
    context.out() << server::to_json(*tokens) << '\n';
    return ExitStatus::done;
  }
  const WallTime now = context.clock->wall();
  const bool all_well = std::all_of(tokens->begin(), tokens->end(), [](const TokenStatus& token) {
    return token.expires_in.count() > 0 && !token.trouble;
  });
  const Paint paint = context.out_paint();
  const std::string verdict = printable(server::verdict_on(*tokens));
  const std::string next = printable(next_renewal(*tokens, now));
  context.out() << (all_well ? paint.green(verdict) : paint.red(verdict)) << '.'
                << (next.empty() ? "" : " " + next + ".") << '\n';

  Table table({"APP", "KIND", "STATE", "LEFT", "RENEWAL", "FINGERPRINT", "LAST ERROR"});
  for (const TokenStatus& token : *tokens) {
    table.add({token.key.app, token.key.kind, state(token), left(token), renewal(token, now),
               token.fingerprint ? token.fingerprint->hex() : "-", last_error(token)});
  }
  table.print(context.out(), paint);
  return ExitStatus::done;
}

Action declare(CLI::App&, Context& context) {
  return [&context] { return status(context); };
}

}  // namespace

extern const Command kStatus;
constinit const Command kStatus = {
    "status",
    "Shows how every token is, with a verdict on top",
    "hufu status\nhufu status --json",
    declare,
};

}  // namespace hufu::cli
