#include <algorithm>
#include <ostream>

#include "cli/backend.hpp"
#include "cli/command.hpp"
#include "core/process.hpp"
#include "server/json.hpp"
#include "server/verdict.hpp"

namespace hufu::cli {
namespace {

Result<keeper::Status> ask(const Context& context) {
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

std::string renewal(const TokenStatus& token, const store::ClusterView& cluster) {
  const WallTime now = cluster.now;
  const auto lease =
      std::find_if(cluster.leases.begin(), cluster.leases.end(),
                   [&](const store::LeaseRow& each) { return each.key == token.key; });
  if (lease != cluster.leases.end()) return "under way on " + short_name_of(lease->holder);
  if (token.renewing) return "under way";
  if (token.renew_at <= now)
    return token.state == TokenState::missing ? "not yet asked for" : "due";
  return "in " + in_words(token.renew_at - now);
}

std::string last_error(const TokenStatus& token) {
  if (!token.failure) return "-";
  const Error& error = token.failure->error;
  return (error.errcode ? std::to_string(*error.errcode) + ": " : "") + error.message;
}

/// "12 ms ahead", "3 min 12 s behind".
std::string clock_of(const store::NodeRow& node) {
  const Milliseconds ahead = node.clock_ahead;
  if (abs(ahead) < std::chrono::seconds(1)) return "right";
  return in_words(abs(ahead)) + (ahead > Milliseconds(0) ? " ahead" : " behind");
}

/// Nodes that the store has not heard of for a while are shown, but told apart.
std::string heard_of(const store::NodeRow& node, WallTime now) {
  constexpr Milliseconds kLate = std::chrono::seconds(15);
  return now - node.seen_at < kLate ? "now" : in_words(now - node.seen_at) + " ago";
}

void print_nodes(const Context& context, const store::ClusterView& cluster) {
  Table table({"NODE", "VERSION", "LISTEN", "UP", "HEARD OF", "CLOCK", "LEASES", "FENCED"});
  for (const store::NodeRow& node : cluster.nodes) {
    const auto leases =
        std::count_if(cluster.leases.begin(), cluster.leases.end(),
                      [&](const store::LeaseRow& lease) { return lease.holder == node.name; });
    table.add({short_name_of(node.name), node.version, node.listen,
               in_words(cluster.now - node.started_at), heard_of(node, cluster.now), clock_of(node),
               std::to_string(leases), std::to_string(node.fenced)});
  }
  if (cluster.nodes.empty()) return;
  context.out() << '\n';
  table.print(context.out(), context.out_paint());
}

ExitStatus status(const Context& context) {
  auto status = ask(context);
  if (!status) return context.fail(status.error());
  if (status->cluster.now == WallTime()) status->cluster.now = context.clock->wall();
  if (context.json) {
    context.out() << server::to_json(*status) << '\n';
    return ExitStatus::done;
  }
  const std::vector<TokenStatus>& tokens = status->page.tokens;
  const bool tokens_well = std::all_of(tokens.begin(), tokens.end(), [](const TokenStatus& token) {
    return token.expires_in.count() > 0 && !token.failure;
  });
  const bool all_well = tokens_well && status->store_ok;
  const Paint paint = context.out_paint();
  const std::string verdict = printable(server::verdict_on(*status));
  const std::string next = printable(next_renewal(tokens, status->cluster.now));
  context.out() << (all_well ? paint.green(verdict) : paint.red(verdict)) << '.'
                << (next.empty() ? "" : " " + next + ".") << '\n';

  Table table({"APP", "KIND", "STATE", "LEFT", "RENEWAL", "FINGERPRINT", "LAST ERROR"});
  for (const TokenStatus& token : tokens) {
    table.add({token.key.app, token.key.kind, state(token), left(token),
               renewal(token, status->cluster), token.fingerprint ? token.fingerprint->hex() : "-",
               last_error(token)});
  }
  table.print(context.out(), paint);
  if (tokens.empty()) context.out() << "  → " << no_app_yet().next_step << '\n';
  print_nodes(context, status->cluster);
  return ExitStatus::done;
}

Action declare(Parameters&, Context& context) {
  return [&context] { return status(context); };
}

}  // namespace

extern const Command kStatus;
constinit const Command kStatus = {
    "status",
    "Shows how every token is, with a verdict on top, and the nodes",
    "hufu status\nhufu status --json",
    declare,
};

}  // namespace hufu::cli
