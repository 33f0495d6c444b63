#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "store/postgresql/postgresql_connection.hpp"

namespace hufu::store {

/// Listens, on a thread and a connection of its own, for the notification that every change of the
/// database sends: what spares those who follow the feed a question while nothing happens.
///
/// It only ever says "there may be something new". While it cannot listen (the server is away, or a
/// pooler stands between, which hands notifications to nobody in particular) it says so, and the
/// feed has to ask. Thread-safety: const members from anywhere.
class PostgresqlListener {
 public:
  /// The channel that changes are told on.
  static constexpr const char* kChannel = "hufu_changes";
  /// Makes a connection; blocks, may throw PostgresqlFailure.
  using Connect = std::function<std::unique_ptr<PostgresqlConnection>()>;

  explicit PostgresqlListener(Connect connect);
  PostgresqlListener(const PostgresqlListener&) = delete;
  PostgresqlListener& operator=(const PostgresqlListener&) = delete;
  ~PostgresqlListener();

  /// Whether a change is heard of at present. Read this before `heard`.
  [[nodiscard]] bool listening() const { return listening_; }
  /// Grows whenever there may be something new: with a notification, and when it begins to listen,
  /// because nobody knows what happened before.
  [[nodiscard]] std::uint64_t heard() const { return heard_; }

 private:
  void run();
  void listen(PostgresqlConnection& connection);
  /// True once it is to end; else after `span`, or when `socket` has something to read.
  bool idle(Milliseconds span, int socket) const;

  const Connect connect_;
  std::atomic<bool> listening_{false};
  std::atomic<std::uint64_t> heard_{0};
  int end_;             ///< An eventfd: readable once it is to end.
  std::thread thread_;  ///< Last: it uses all of the above.
};

}  // namespace hufu::store
