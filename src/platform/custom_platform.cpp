#include "platform/custom_platform.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/text.hpp"
#include "platform/app_check.hpp"
#include "platform/placeholders.hpp"

namespace hufu::platform {
namespace {

using Shape = RenewalRule::Shape;

constexpr std::string_view kDefaultActive = "active";
constexpr std::string_view kDefaultProbedToken = "token";

// ---- From the configuration to a description

Shape shape_of(std::string_view renewal) {
  if (renewal == "rotating") return Shape::rotating;
  if (renewal == "windowed") return Shape::windowed;
  if (renewal == "sticky") return Shape::sticky;
  return Shape::independent;
}

/// The codes of RFC 6749, 5.2, in words; codes of other servers are looked up by whoever reads
/// them.
ErrorMappings error_mappings(const CustomPlatform& custom) {
  ErrorMappings mappings = {
      {"invalid_client",
       {.words = "the app's id or its secret is wrong",
        .fix = "check the id {app}, and set its secret anew"}},
      {"unauthorized_client",
       {.words = "the app may not ask for tokens in this way",
        .fix = "allow {app} the client credentials grant at the platform"}},
      {"invalid_scope",
       {.words = "a scope is unknown, or not granted to the app",
        .fix = "check the scope of {app}"}},
      {"invalid_request",
       {.words = "the platform wants another request",
        .fix = "check path, parameters and client_auth against the platform's documentation"}},
      {"unsupported_grant_type",
       {.words = "the platform has no such grant",
        .fix = "check grant_type against the platform's documentation"}},
      {"temporarily_unavailable",
       {.words = "the platform is busy", .fix = "nothing to do: Hufu tries again by itself"}},
  };
  for (const std::string& code : custom.permanent) {
    const auto entry =
        mappings
            .try_emplace(code, ErrorMapping{.words = "a refusal that does not heal by itself",
                                            .fix = "look the code up in the platform's "
                                                   "documentation"})
            .first;
    entry->second.retry_class = RetryClass::slow;
  }
  return mappings;
}

std::vector<Parameter>& parameters_of(Call& call) {
  return call.method == "GET" ? call.query : call.body;
}

/// Adds what proves that the call is the app's.
void authenticate(Call& call, const CustomPlatform& custom) {
  if (custom.client_auth == "basic") {
    call.basic = true;
    return;
  }
  parameters_of(call).push_back({custom.client_id_name, app()});
  parameters_of(call).push_back({custom.client_secret_name, secret()});
}

Call issue_call(const CustomPlatform& custom) {
  Call call;
  call.method = custom.method;
  call.path = custom.path;
  call.encoding = custom.encoding == "json" ? Call::Encoding::json : Call::Encoding::form;
  for (const auto& [name, value] : custom.parameters) {
    parameters_of(call).push_back({name, text(value)});
  }
  authenticate(call, custom);
  return call;
}

Probe probe_of(const CustomProbe& custom, const CustomPlatform& platform) {
  const bool introspection = custom.dead.empty();
  Probe probe;
  probe.call.method = custom.method.empty() ? (introspection ? "POST" : "GET") : custom.method;
  probe.call.path = custom.path;
  probe.call.encoding = Call::Encoding::form;
  if (introspection) {
    const std::string_view name = custom.token.empty() ? kDefaultProbedToken : custom.token;
    parameters_of(probe.call).push_back({std::string(name), token()});
    authenticate(probe.call, platform);
    probe.active = custom.active.empty() ? kDefaultActive : std::string_view(custom.active);
    return probe;
  }
  if (custom.token.empty()) {
    probe.call.bearer = token();
  } else {
    parameters_of(probe.call).push_back({custom.token, token()});
  }
  probe.dead = custom.dead;
  return probe;
}

/// What its placeholders name, each once.
std::vector<SettingDescription> settings_of(const CustomPlatform& custom) {
  std::set<std::string_view> required;
  std::set<std::string_view> optional;
  auto collect = [](std::string_view text, std::set<std::string_view>& into) {
    for (std::string_view name : placeholders_in(text)) {
      if (name != "app") into.insert(name);
    }
  };
  collect(custom.path, required);
  if (custom.probe) collect(custom.probe->path, required);
  for (const auto& [name, value] : custom.parameters) collect(value, optional);

  std::vector<SettingDescription> settings;
  for (std::string_view name : required) {
    settings.push_back({.name = std::string(name), .required = true, .meaning = "part of a path"});
  }
  for (std::string_view name : optional) {
    if (required.contains(name)) continue;
    settings.push_back({.name = std::string(name), .meaning = "part of a parameter"});
  }
  return settings;
}

// ---- What can be wrong

class Check {
 public:
  Check(std::string_view name, const PlatformConfig& config)
      : name_(name), config_(config), custom_(*config.custom) {}

  std::vector<PlatformProblem> problems() && {
    check_name();
    check_call();
    check_answer();
    check_renewal();
    if (custom_.probe) check_probe(*custom_.probe);
    return std::move(problems_);
  }

 private:
  void complain(std::string key, std::string message, std::string next_step) {
    problems_.push_back(
        {std::move(key), Error{Fault::config, std::move(message), std::move(next_step), {}, {}}});
  }

  void check_name() {
    if (!is_word(name_, "_-")) {
      complain("", quoted(name_) + " is not a name of a platform",
               "Use lower-case letters, digits, - and _, a letter first");
    }
    if (config_.base_url.empty()) {
      complain("", "it has no base_url",
               "Write base_url = \"https://…\", the address of its API without the path");
    }
  }

  void check_call() {
    check_path("path", custom_.path);
    check_choice("method", custom_.method, {"POST", "GET"});
    check_choice("encoding", custom_.encoding, {"form", "json"});
    if (custom_.method == "GET" && custom_.encoding == "json") {
      complain("encoding", "a GET has no body that could be JSON",
               "Leave it out, or write method = \"POST\"");
    }
    check_choice("client_auth", custom_.client_auth, {"basic", "body"});
    check_client_names();
    for (const auto& [name, value] : custom_.parameters) {
      const std::string key = "parameters." + name;
      if (name.empty() || !is_one_line(name) || !is_one_line(value)) {
        complain("parameters", "a parameter has no name, or holds control characters",
                 "Write them like { grant_type = \"client_credentials\" }");
        continue;
      }
      check_placeholders(key, value);
    }
  }

  void check_client_names() {
    const CustomPlatform usual;
    const std::array<std::array<std::string_view, 3>, 2> names = {
        {{"client_id_name", custom_.client_id_name, usual.client_id_name},
         {"client_secret_name", custom_.client_secret_name, usual.client_secret_name}}};
    for (const auto& [key, name, fallback] : names) {
      if (name.empty() || !is_one_line(name)) {
        complain(std::string(key), "it is not a name of a parameter",
                 "Leave it out: then it is " + std::string(fallback));
      } else if (custom_.client_auth == "basic" && name != fallback) {
        complain(std::string(key), "it goes with client_auth = \"body\", not with basic",
                 "Leave it out, or write client_auth = \"body\"");
      } else if (custom_.client_auth == "body" && custom_.parameters.contains(name)) {
        complain(std::string(key), "there is a parameter of that name, too",
                 "Take " + quoted(name) + " out of parameters");
      }
    }
    if (custom_.client_auth == "body" && custom_.client_id_name == custom_.client_secret_name) {
      complain("client_secret_name", "it is the same as client_id_name", "Name two parameters");
    }
  }

  void check_answer() {
    if (!is_word(custom_.kind, "_")) {
      complain("kind", quoted(custom_.kind) + " is not a name of a kind",
               "Use lower-case letters, digits and _, a letter first");
    }
    check_answer_path("token", custom_.token);
    check_answer_path("lifetime", custom_.lifetime);
    if (!custom_.token.empty() && custom_.token == custom_.lifetime) {
      complain("lifetime", "it is the same place as that of the token",
               "Name the member that holds the seconds, like \"expires_in\"");
    }
    if (custom_.longest_lifetime <= Milliseconds(0)) {
      complain("longest_lifetime", "it must be longer than 0s", "Leave it out: then it is 30d");
    }
    if (custom_.default_lifetime > custom_.longest_lifetime) {
      complain("default_lifetime", "it is longer than longest_lifetime",
               "Lower it, or raise longest_lifetime");
    }
    check_answer_path("error", custom_.error);
    if (!custom_.error_text.empty()) check_answer_path("error_text", custom_.error_text);
  }

  void check_renewal() {
    check_choice("renewal", custom_.renewal, {"independent", "rotating", "windowed", "sticky"});
    check_span("overlap", custom_.overlap, "rotating",
               "how long the token before lives on, like overlap = \"5m\"");
    check_span("window", custom_.window, "windowed",
               "how long before its end there is a new one, like window = \"5m\"");
    for (const std::string& code : custom_.permanent) {
      if (!code.empty() && code != custom_.success) continue;
      complain("permanent", "it holds what means success",
               "Name codes of errors, like \"invalid_client\"");
      break;
    }
  }

  /// `overlap` and `window`: there where the renewal needs it, nowhere else, and not impossible.
  void check_span(const std::string& key, Milliseconds span, const std::string& renewal,
                  const std::string& what_it_is) {
    const bool wanted = custom_.renewal == renewal;
    if (wanted && span <= Milliseconds(0)) {
      complain("renewal", renewal + " needs " + key, "Write " + what_it_is);
    } else if (!wanted && span > Milliseconds(0)) {
      complain(key, "it goes with renewal = " + quoted(renewal),
               "Leave it out, or write that renewal");
    } else if (wanted && span >= custom_.longest_lifetime) {
      complain(key, "it is not shorter than longest_lifetime, so no token could ever be kept",
               "Write a shorter one, or raise longest_lifetime");
    }
  }

  void check_probe(const CustomProbe& probe) {
    if (probe.path.empty()) {
      complain("probe", "it has no path", "Write path = \"/oauth2/introspect\", for one");
    } else {
      check_path("probe.path", probe.path);
    }
    if (!probe.method.empty()) check_choice("probe.method", probe.method, {"POST", "GET"});
    if (!is_one_line(probe.token)) {
      complain("probe.token", "it is not a name of a parameter", "Write it like \"token\"");
    }
    if (!probe.active.empty()) {
      check_answer_path("probe.active", probe.active);
      if (!probe.dead.empty()) {
        complain("probe.active", "it goes with introspection, dead with any other call",
                 "Leave one of the two out");
      }
    }
    for (const std::string& code : probe.dead) {
      if (!code.empty() && code != custom_.success) continue;
      complain("probe.dead", "it holds what means success",
               "Name codes or HTTP statuses, like \"invalid_token\" or \"401\"");
      break;
    }
  }

  void check_choice(const std::string& key, std::string_view word,
                    const std::vector<std::string_view>& known) {
    if (std::find(known.begin(), known.end(), word) != known.end()) return;
    complain(key, "unknown " + key + " " + quoted(word), suggestion(word, known));
  }

  void check_path(const std::string& key, std::string_view path) {
    auto bad = [&](std::string_view why) {
      complain(key, "it is not a path: " + std::string(why), "Write it like \"/oauth2/token\"");
    };
    if (!path.starts_with('/')) return bad("it does not begin with a slash");
    const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
      return c > ' ' && c <= '~' &&
             std::string_view("\"<>\\^`|?#").find(c) == std::string_view::npos;
    });
    if (!plain) return bad("it holds characters that have no place in one, such as a query");
    for (std::string_view rest = path; !rest.empty();) {
      rest.remove_prefix(1);
      const std::string_view segment = rest.substr(0, rest.find('/'));
      if (segment == "." || segment == "..") return bad("it holds a \".\" or \"..\" segment");
      rest.remove_prefix(segment.size());
    }
    check_placeholders(key, path);
  }

  void check_placeholders(const std::string& key, std::string_view text) {
    for (const TextPiece& piece : pieces_of(text)) {
      if (!piece.is_placeholder) {
        if (piece.text.find_first_of("{}") == std::string_view::npos) continue;
        return complain(key, "it holds a brace that belongs to no placeholder",
                        "Write {app} for the app's id, {NAME} for its setting of that name");
      }
      if (piece.text == "app") continue;
      const std::string placeholder = "{" + std::string(piece.text.substr(0, 60)) + "}";
      if (piece.text == kSecret || piece.text.find("secret") != std::string_view::npos) {
        complain(key, "nobody sets " + placeholder + ": it would show a secret",
                 "Leave it out: client_auth says how the secret is sent");
      } else if (!is_word(piece.text, "_") || is_app_name(piece.text)) {
        complain(key, "nobody sets " + quoted(placeholder) + ": an app has no such setting",
                 "Write {app} for the app's id, or a name that is not taken, in lower case");
      }
    }
  }

  void check_answer_path(const std::string& key, std::string_view path) {
    const bool whole = !path.empty() && is_one_line(path) && path.front() != '.' &&
                       path.back() != '.' && path.find("..") == std::string_view::npos;
    if (whole) return;
    complain(key, "it is not a path into an answer",
             "Write names joined by dots, like \"access_token\" or \"data.access_token\"");
  }

  /// A lower-case word, of which `more` are characters, too.
  static bool is_word(std::string_view word, std::string_view more) {
    constexpr std::size_t kLongest = 64;
    return !word.empty() && word.size() <= kLongest && word.front() >= 'a' && word.front() <= 'z' &&
           std::all_of(word.begin(), word.end(), [&](char c) {
             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    more.find(c) != std::string_view::npos;
           });
  }

  static bool is_one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  }

  const std::string name_;
  const PlatformConfig& config_;
  const CustomPlatform& custom_;
  std::vector<PlatformProblem> problems_;
};

}  // namespace

PlatformDescription describe(std::string_view name, const CustomPlatform& custom) {
  KindDescription kind;
  kind.name = custom.kind;
  kind.rule.shape = shape_of(custom.renewal);
  if (kind.rule.shape == Shape::rotating) kind.rule.overlap = custom.overlap;
  if (kind.rule.shape == Shape::windowed) kind.rule.overlap = custom.window;
  kind.rule.longest_life = custom.longest_lifetime;
  kind.issue = issue_call(custom);
  kind.answer = {.token = custom.token,
                 .lifetime = custom.lifetime,
                 .default_lifetime = custom.default_lifetime,
                 .code = custom.error,
                 .success = custom.success,
                 .text = custom.error_text,
                 .errors_come_with_any_status = true};
  kind.errors = error_mappings(custom);
  if (custom.probe) kind.probe = probe_of(*custom.probe, custom);
  if (kind.rule.shape != Shape::rotating) kind.trial = kind.issue;
  kind.place = {TokenPlace::In::header, "Authorization", "Bearer"};

  PlatformDescription platform;
  platform.name = name;
  platform.title = name;
  platform.settings = settings_of(custom);
  platform.credentials = {{.name = std::string(kSecret), .meaning = "the client secret"}};
  platform.kinds.push_back(std::move(kind));
  return platform;
}

std::vector<PlatformProblem> check_custom_platform(std::string_view name,
                                                   const PlatformConfig& config) {
  return Check(name, config).problems();
}

}  // namespace hufu::platform
