#include "store/postgresql/postgresql_listener.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace hufu::store {
namespace {

/// After so long a silence the server is asked whether it is still there.
constexpr Milliseconds kSilence = std::chrono::seconds(15);
constexpr Milliseconds kFirstPause = std::chrono::milliseconds(100);
constexpr Milliseconds kLongestPause = std::chrono::seconds(2);

}  // namespace

PostgresqlListener::PostgresqlListener(Connect connect)
    : connect_(std::move(connect)),
      end_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

PostgresqlListener::~PostgresqlListener() {
  ::eventfd_write(end_, 1);
  thread_.join();
  ::close(end_);
}

void PostgresqlListener::run() {
  Milliseconds pause(0);
  while (!idle(pause, -1)) {
    try {
      auto connection = connect_();
      // Behind a pooler LISTEN would be obeyed by a process that serves us for one statement.
      if (!connection->is_direct()) return;
      pause = Milliseconds(0);
      listen(*connection);
    } catch (const PostgresqlFailure&) {
      // Those who ask for something meanwhile hear why; here it is only tried again.
    }
    listening_ = false;
    pause = std::clamp(pause * 2, kFirstPause, kLongestPause);
  }
}

void PostgresqlListener::listen(PostgresqlConnection& connection) {
  connection.allow(PostgresqlConnection::kPatience);
  std::string command("LISTEN ");
  command += kChannel;
  connection.run(command.c_str());
  ++heard_;
  listening_ = true;
  while (!idle(kSilence, connection.socket())) {
    const int before = connection.take_notifications();
    if (before == 0) {
      connection.allow(PostgresqlConnection::kPatience);
      connection.run("SELECT 1");
    }
    if (before + connection.take_notifications() > 0) ++heard_;
  }
}

bool PostgresqlListener::idle(Milliseconds span, int socket) const {
  pollfd either[] = {{end_, POLLIN, 0},
                     {socket, POLLIN, 0}};  // One that is negative is passed over.
  ::poll(either, 2, static_cast<int>(span.count()));
  return (either[0].revents & POLLIN) != 0;
}

}  // namespace hufu::store
