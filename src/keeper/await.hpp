#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "hufu/store.hpp"

namespace hufu::keeper {

/// Turns an operation that reports through a Done<T> into something to co_await. The coroutine goes
/// on where it ran before, on whatever thread the operation reports.
///
/// GCC 12 destroys a temporary twice when it is made inside the co_await expression and is not
/// trivially destructible (an aggregate, a lambda with a capture of class type): name it first and
/// move it in.
template <class T, class Start>
boost::asio::awaitable<T> await(Start start) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [executor](auto handler, Start go) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    go(Done<T>([shared, executor](T value) {
      asio::post(executor,
                 [shared, value = std::move(value)]() mutable { (*shared)(std::move(value)); });
    }));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(T)>(
      std::move(initiate), asio::use_awaitable, std::move(start));
}

}  // namespace hufu::keeper
