#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "simulator/page.hpp"

namespace hufu::simulator {

/// One request as it came off the wire; the views live as long as the caller's bytes.
struct WireRequest {
  std::string_view method;
  std::string_view path;   ///< Before the '?'; not decoded.
  std::string_view query;  ///< After the '?'; not decoded.
  std::string_view body;
  std::string_view peer;  ///< The client's address, without its port.
  /// The value of a header, by its name in any case; empty if it is not there.
  std::function<std::string_view(std::string_view)> header = [](std::string_view) {
    return std::string_view();
  };
};

/// What a call is about.
enum class Endpoint {
  token,           ///< GET /cgi-bin/token: each call makes a new token.
  stable_token,    ///< POST /cgi-bin/stable_token: the same token until its last minutes.
  ticket,          ///< /cgi-bin/ticket/getticket, with a token: the same ticket until its end.
  clear_quota,     ///< POST /cgi-bin/clear_quota, with a token.
  clear_quota_v2,  ///< POST /cgi-bin/clear_quota/v2, with the secret.
  quota_get,       ///< POST /cgi-bin/openapi/quota/get.
  quota_clear,     ///< POST /cgi-bin/openapi/quota/clear.
  business,        ///< Everything else below /cgi-bin/ and /wxa/: judges the token.
  page,            ///< One of another platform, `Call::page`.
  none,            ///< No such page.
};

/// A request as the platform understands it. A parameter that is absent, empty or of another type
/// than it should be is an empty string. Owns its bytes, because a slow call outlives the request.
struct Call {
  Endpoint endpoint = Endpoint::none;
  const Page* page = nullptr;  ///< Of another platform; null on WeChat.
  std::string name;  ///< The path after "/cgi-bin/": "token", "getcallbackip"; else all of it.
  bool post = false;
  bool method_fits = true;  ///< What the page asks for.
  bool object = false;      ///< Whether the body is a JSON object, on pages of other platforms.
  std::string peer;

  std::string appid;  ///< Whatever the platform calls it; the corp's on WeCom.
  std::string secret;
  std::string grant_type;
  bool force_refresh = false;
  std::string access_token;  ///< On WeChat from the query only: in a body it does not see it.
  std::string cgi_path;
  std::string type;  ///< Of a ticket.
};

/// Understands `request` where the platform looks: the query of /cgi-bin/token, the JSON body of
/// /cgi-bin/stable_token and of the quota calls, and where a page of another platform says. Never
/// fails: what cannot be read is absent.
Call read_call(const WireRequest& request);

/// The value of `name` in a query, decoded; empty if it is not there.
std::string parameter(std::string_view query, std::string_view name);

}  // namespace hufu::simulator
