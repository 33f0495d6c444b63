#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hufu/issuer.hpp"
#include "platform/usual_form.hpp"

// The vocabulary in which a platform is described: a new platform is a value of these types, not a
// branch in any code. Plain data throughout.
//
// A path into an answer is names joined by dots ("data.access_token"). In a text that goes into a
// call, "{app}" stands for the app's id, "{parent}" for that of its parent, and "{NAME}" for its
// setting of that name.

namespace hufu::platform {

/// Where the value of a parameter comes from.
struct Value {
  enum class From {
    text,           ///< `text`, placeholders filled in.
    credential,     ///< The credential named `text`.
    refresh_token,  ///< The one that renews the permission.
    force,          ///< Whether the present token is to be dropped: true or false.
    needed,         ///< The token number `index` of `KindDescription::needs`.
    token,          ///< In a probe: the token that is asked about.
  };
  From from = From::text;
  std::string text{};
  std::size_t index = 0;
};
inline Value text(std::string text) { return {Value::From::text, std::move(text)}; }
inline Value app() { return text("{app}"); }
inline Value parent() { return text("{parent}"); }
inline Value secret() { return {Value::From::credential, std::string(kSecret)}; }
inline Value refresh_token() { return {Value::From::refresh_token}; }
inline Value force() { return {Value::From::force}; }
inline Value needed(std::size_t index) { return {Value::From::needed, {}, index}; }
inline Value token() { return {Value::From::token}; }

/// Left out of the call where a setting that its value names is empty.
struct Parameter {
  std::string name;
  Value value;
};

/// One HTTP call, before its values are known.
struct Call {
  enum class Encoding { json, form };

  std::string method = "GET";
  std::string path{};  ///< After the base URL, with placeholders.
  std::vector<Parameter> query{};
  std::vector<Parameter> body{};  ///< None: no body.
  Encoding encoding = Encoding::json;
  std::optional<Value> bearer{};  ///< Sent as `Authorization: Bearer …`.
  std::vector<Parameter> headers{};
  /// The app's id and secret are sent as `Authorization: Basic …`, each form-encoded first
  /// (RFC 6749, 2.3.1).
  bool basic = false;
};

/// Where an answer, a JSON object, holds what.
struct Answer {
  std::string token = "access_token";
  std::string lifetime = "expires_in";  ///< Whole seconds, as a number or a numeric string.
  /// Where the answer names none, or none above 0; 0: then the answer is a failure.
  Milliseconds default_lifetime{};
  std::string refresh_token{};   ///< Empty: none comes.
  std::string code = "errcode";  ///< The error code, a number or a string.
  /// A second code beside a general one ("sub_code"), which then stands in its place.
  std::string exact_code{};
  std::string success = "0";          ///< The code that means success.
  bool success_may_be_silent = true;  ///< No code means success, too.
  std::string text = "errmsg";        ///< The error in the platform's words.
  /// An error code is believed under HTTP 5xx, too. (The call may have been carried out even so.)
  bool errors_come_with_any_status = false;
};

/// What an error code means and what helps. In `words` and `fix`, "{app}" stands for the app's id
/// and "{ip}" for the address that the platform names in its error text.
struct ErrorMapping {
  RetryClass retry_class = RetryClass::backoff;
  std::string words{};
  std::string fix{};
  bool this_node_only = false;  ///< As in IssueFailure.
  /// The code handed on in place of the platform's, where that one would mislead who reads it.
  std::optional<int> passed_on_as{};
};
using ErrorMappings = std::map<std::string, ErrorMapping, std::less<>>;

/// The cheap call that tells whether a token works.
struct Probe {
  Call call{};
  /// Error codes, or HTTP statuses ("401"), that say dead.
  std::vector<std::string> dead{};
  /// Error codes that say alive: the call was refused, but only after the token had been accepted.
  std::vector<std::string> alive{};
  /// Path of a member that only an accepted token brings: with it, or with an explicit code of
  /// success, success says alive. Empty: any success does.
  std::string sign_of_life{};
  /// Path of a member that says it itself, true or false ("active" of RFC 7662). Nothing else
  /// counts then.
  std::string active{};
};

/// A setting and the value that it has (its default counts).
struct Condition {
  std::string setting;
  std::string value;
};

/// Where an API call of the platform carries a token of some kind.
struct TokenPlace {
  enum class In { nowhere, query, header };
  In in = In::nowhere;
  std::string name{};    ///< Of the parameter or the header.
  std::string scheme{};  ///< Before the token, in a header: "Bearer".
};

/// The platform's own route for a kind, which Hufu serves in its place. The caller names itself by
/// `id` and `secret`, where the secret is one of Hufu's keys or the real one, or by a token that
/// Hufu has handed out.
struct DropInRoute {
  /// Where the parameters of a request stand.
  enum class Parameters {
    query_or_form,  ///< In the query or, of a POST that names nobody there, a form in the body.
    json,           ///< In a JSON object, which is the body.
    anywhere,       ///< In the query, in a form, or in a JSON object.
  };
  std::vector<std::string> methods{};
  std::string path{};
  Parameters parameters = Parameters::query_or_form;
  std::string id{};          ///< Name of the parameter; empty: a token names the caller.
  std::string secret{};      ///< Likewise.
  std::string grant_type{};  ///< What the parameter `grant_type` must say; empty: it is not read.
  /// Name of the JSON parameter which, when true, says that the last token was refused.
  std::string force{};
  /// Where the token stands that names the caller: one of the first kind that this one needs.
  TokenPlace token{};
  /// Parameters of the query that tell this kind from others on the same path.
  std::map<std::string, std::string, std::less<>> query{};
  /// The body of a success, JSON in which "{token}" and "{lifetime}" stand for the token's
  /// characters and its seconds.
  std::string success{};
};

/// How a platform says no on those of its routes that Hufu serves: its codes, as text, for what can
/// be wrong with a request. A code that is left out is `busy`.
struct DropInFailures {
  /// JSON in which "{code}", "{message}" and "{rid}", an id of the answer, stand for characters.
  std::string body{};
  int status = 200;
  int busy_status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string busy = "-1";  ///< Nothing is wrong with the request; it may be made again.
  std::string no_id{};
  std::string unknown_app{};
  std::string no_secret{};
  std::string wrong_secret{};
  std::string wrong_grant_type{};
  std::string no_token{};
  std::string dead_token{};
  std::string unknown_kind{};     ///< `DropInRoute::query` fits no kind.
  std::string wrong_parameter{};  ///< Of those that are Hufu's own.
  std::string get_required{};     ///< The path knows another method.
  std::string post_required{};
  std::string unknown_path{};
  /// What an error calls the secret, where that is not the name of the parameter.
  std::string secret_in_words{};
  /// Of the paths that are answered `unknown_path` where there is nothing: "/cgi-bin/".
  std::string prefix{};
  /// Codes of the platform that are handed on as `busy`: clients take them for a token that died,
  /// and would ask again without end.
  std::vector<std::string> never{};
};

/// One way to issue one kind of token.
struct KindDescription {
  std::string name{};
  /// Where a setting chooses between several ways to issue a kind: when it is this one.
  std::optional<Condition> when{};
  RenewalRule rule{};
  std::vector<Need> needs{};
  Call issue{};
  Answer answer{};
  /// By error code as text; codes that are not in it are tried again with backoff.
  ErrorMappings errors{};
  std::optional<Probe> probe{};
  /// A call that fetches a token and displaces none, for the sake of the credentials that it takes.
  /// Answered like `issue`.
  std::optional<Call> trial{};
  TokenPlace place{};
  std::optional<DropInRoute> drop_in{};
  /// It carries authority over accounts other than the app's own: handed out only to keys that name
  /// the app, and to administrators.
  bool authority = false;
};

/// A setting of a platform's apps.
struct SettingDescription {
  std::string name;
  std::vector<std::string> values{};  ///< Those allowed; none: any text.
  std::string fallback{};             ///< What it is where an app says nothing, in a Condition.
  bool required = false;
  std::string meaning{};
};

/// A credential of a platform's apps.
struct CredentialDescription {
  std::string name;
  bool required = true;
  UsualForm form{};
  std::string meaning{};
};

/// Everything there is to know about one platform.
struct PlatformDescription {
  std::string name{};
  std::string title{};   ///< In messages: "WeChat".
  std::string parent{};  ///< The platform whose app each app of this one belongs to; empty: none.
  std::string base_url{};
  /// The setting that holds the platform's own id for the app, where several apps share one (agents
  /// of one corporation); empty: it is the app's id.
  std::string account{};
  /// Of variables that define one app without a file: "WECHAT" for WECHAT_APPID, WECHAT_APPSECRET,
  /// WECHAT_BASE_URL, and WECHAT_NAME for each setting; empty: there are none.
  std::string environment{};
  UsualForm id{};  ///< Of an app's id.
  std::vector<SettingDescription> settings{};
  std::vector<CredentialDescription> credentials{};
  TimingOverrides timing{};              ///< Where it is not as usual; overlaps stand in the rules.
  std::vector<KindDescription> kinds{};  ///< The main kind first.
  DropInFailures drop_in_failures{};     ///< Where a kind has a route to be served in its place.
};

}  // namespace hufu::platform
