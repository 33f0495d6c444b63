#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hufu/issuer.hpp"

// The vocabulary in which a platform is described: a new platform is a value of these types, not a
// branch in any code. Plain data throughout; a path into an answer is names joined by dots
// ("data.access_token").

namespace hufu::platform {

/// Where the value of a parameter comes from.
struct Value {
  enum class From {
    constant,  ///< `text`.
    app,       ///< The id of the app.
    secret,    ///< Its secret.
    force,     ///< Whether the present token is to be dropped: true or false.
    needed,    ///< The token number `index` of `Description::needs`.
    token,     ///< In a probe: the token that is parsed.
  };
  From from = From::constant;
  std::string text{};
  std::size_t index = 0;
};
inline Value constant(std::string text) { return {Value::From::constant, std::move(text)}; }
inline Value app() { return {Value::From::app}; }
inline Value secret() { return {Value::From::secret}; }
inline Value force() { return {Value::From::force}; }
inline Value needed(std::size_t index) { return {Value::From::needed, {}, index}; }
inline Value token() { return {Value::From::token}; }

struct Parameter {
  std::string name;
  Value value;
};

/// One HTTP call, before its values are known.
struct Call {
  enum class Encoding { json, form };

  std::string method = "GET";
  std::string path{};  ///< After the base URL; "{app}" in it stands for the app's id.
  std::vector<Parameter> query{};
  std::vector<Parameter> body{};  ///< None: no body.
  Encoding encoding = Encoding::json;
  std::optional<Value> bearer{};  ///< Sent as `Authorization: Bearer …`.
};

/// Where an answer, a JSON object, holds what.
struct Answer {
  std::string token = "access_token";
  std::string lifetime = "expires_in";  ///< Whole seconds, as a number or a numeric string.
  std::string code = "errcode";         ///< The error code, a number or a string.
  std::string success = "0";            ///< The code that means success.
  bool success_may_be_silent = true;    ///< No code means success, too.
  std::string text = "errmsg";          ///< The error in the platform's words.
};

/// What an error code means and what helps. In `fix`, "{app}" stands for the app's id and "{ip}"
/// for the address that the platform names in its error text.
struct ErrorMapping {
  RetryClass retry_class = RetryClass::backoff;
  std::string words{};
  std::string fix{};
  /// The code handed on in place of the platform's, where that one would mislead who reads it.
  std::optional<int> passed_on_as{};
};

/// The cheap call that judges a token. A code of `dead` says dead; success, with
/// `sign_of_life` in the answer or an explicit code of success, says alive; all else says nothing.
struct Probe {
  Call call{};
  std::vector<std::string> dead{};
  std::string sign_of_life{};  ///< Path of a member that only an accepted token brings.
};

/// Everything there is to know about one platform × endpoint × kind.
struct Description {
  std::string platform{};
  std::string endpoint{};
  std::string kind{};
  std::string title{};  ///< The platform's name in messages: "WeChat".
  RenewalRule rule{};
  std::vector<Need> needs{};
  Call issue{};
  Answer answer{};
  /// By error code as text; codes that are not in it go to the backoff retry class.
  std::map<std::string, ErrorMapping, std::less<>> codes{};
  std::optional<Probe> probe{};
};

}  // namespace hufu::platform
