#pragma once

#include <boost/json/object.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "server/problem.hpp"
#include "server/query.hpp"
#include "server/route.hpp"

/// What the handlers of /v1 read out of a request. Functions called `…_or_reply` have answered 400
/// where they return nothing.
namespace hufu::server {

void reply_usage(const Answer& answer, std::string message, std::string next_step = {});

/// The ?after=, &limit= and &state= of a list.
struct PageQuery {
  std::string after;
  std::size_t limit = 0;
  keeper::StateFilter state = keeper::StateFilter::any;
};
std::optional<PageQuery> page_or_reply(const Call& call);

/// The body as an object, in memory that is wiped when it goes.
std::optional<boost::json::object> object_or_reply(const Call& call);
/// The same where no other members than these are known.
std::optional<boost::json::object> object_or_reply(const Call& call,
                                                   std::initializer_list<std::string_view> members);
/// A member that is a text.
std::optional<std::string_view> text_member(const boost::json::object& object,
                                            std::string_view name);

}  // namespace hufu::server
