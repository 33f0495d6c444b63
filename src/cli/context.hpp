#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_status.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "config/load.hpp"
#include "config/sources.hpp"
#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "hufu/secret.hpp"

namespace hufu::cli {

/// What this binary is.
struct BuildInfo {
  std::string version;              ///< "0.1.0"
  std::string id;                   ///< Of the commit it was built from; "unknown" outside git.
  std::vector<std::string> stores;  ///< Those compiled in: "memory", "sqlite", …
};

/// The three streams of a process.
struct Streams {
  std::istream& in;
  std::ostream& out;  ///< Data, and nothing else.
  std::ostream& err;  ///< Everything else.
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool in_is_terminal = false;  ///< `in` is this process's standard input, and somebody types.
};

/// A running server that commands ask instead of working on the store.
struct Server {
  std::string url;  ///< Without a slash at its end.
  Secret key;
};

/// Everything a command may touch: handed in, so that every command can be run inside a test.
///
/// Thread-safety: belongs to the thread that runs the command.
class Context {
 public:
  /// `from` holds environment and files; parsing the command line adds the flags to them.
  Context(Streams streams, config::Sources from, BuildInfo build);

  [[nodiscard]] std::istream& in() const { return streams_.in; }
  [[nodiscard]] bool in_is_terminal() const { return streams_.in_is_terminal; }
  [[nodiscard]] std::ostream& out() const { return streams_.out; }
  [[nodiscard]] std::ostream& err() const { return streams_.err; }
  [[nodiscard]] Paint out_paint() const { return Paint(streams_.out_is_terminal && colours_); }
  [[nodiscard]] Paint err_paint() const { return Paint(streams_.err_is_terminal && colours_); }
  [[nodiscard]] const BuildInfo& build() const { return build_; }

  /// The configuration as this command line, environment and file make it. Read anew each time.
  [[nodiscard]] Result<config::Loaded> config() const { return config::load(sources); }

  /// The server of --server or HUFU_SERVER, with the key of HUFU_KEY; empty where none is named.
  /// Fault::unauthorised where the key is missing.
  [[nodiscard]] Result<std::optional<Server>> server() const;

  /// Tells the person in front of a terminal what takes so long.
  [[nodiscard]] Progress progress(std::string what) const {
    return {streams_.err, streams_.err_is_terminal, std::move(what)};
  }

  /// Prints what happened and what to do about it, and returns the status to exit with.
  ExitStatus fail(const Error& error) const;
  /// The same of something that is no failure: that a list is empty, for one.
  void note(std::string_view message, std::string_view next_step) const;

  bool json = false;                       ///< --json
  std::optional<std::string> server_flag;  ///< --server
  config::Sources sources;
  const Clock* clock = &system_clock();  ///< Outlives the context.

 private:
  Streams streams_;
  BuildInfo build_;
  bool colours_;
};

}  // namespace hufu::cli
