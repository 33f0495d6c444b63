#pragma once

#include <future>
#include <memory>
#include <utility>

#include "hufu/store.hpp"

namespace hufu::store {

/// Starts an asynchronous operation and waits for its outcome: for callers with nothing else to do,
/// such as a command. Must not be called from inside a `done`.
///
///     auto record = await<Result<Record>>([&](auto done) { store.load(key, std::move(done)); });
template <class T, class Start>
T await(Start&& start) {
  // Shared, because whoever fulfils the promise may still be inside it when we return.
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> outcome = promise->get_future();
  std::forward<Start>(start)(Done<T>([promise](T value) { promise->set_value(std::move(value)); }));
  return outcome.get();
}

}  // namespace hufu::store
