#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"
#include "simulator/model.hpp"
#include "simulator/movable_clock.hpp"

namespace hufu::simulator {

/// Where `hufu sim` listens unless told otherwise: beside the server on 7200.
inline constexpr const char* kDefaultListen = "127.0.0.1:7201";

/// The app that everybody may use: what `hufu dev` and the examples run with.
inline constexpr const char* kDemoApp = "wxdemo0000000000";
inline constexpr const char* kDemoSecret = "demo-secret-opens-nothing";

/// An agent of a corp of WeCom beside it.
inline constexpr const char* kDemoCorp = "wwdemo0000000000";
inline constexpr const char* kDemoAgent = "demo-agent";
inline constexpr const char* kDemoAgentSecret = "demo-agent-secret-opens-nothing";

/// A WeChat platform, and those beside it, that listens: the Model behind an HTTP server, its
/// faults carried out on real connections, and the routes under /sim/ to steer and question it.
///
/// It shares no code with Hufu's own view of the platform. It believes everybody who can reach it
/// and shows every token it made: keep it on loopback. Thread-safety: all members may be called
/// from any thread but those of its own handlers.
class Simulator {
 public:
  struct Options {
    std::string listen = "127.0.0.1:0";
    /// A second address for /sim/ alone, which answers also while connections to `listen` are
    /// refused; empty: none.
    std::string control_listen;
    int threads = 1;
    /// Outlives the simulator; null: the system's, `speed` times as fast.
    const Clock* clock = nullptr;
    double speed = 1;
    std::vector<AppSpec> apps = {{kDemoApp, kDemoSecret},
                                 {kDemoAgent, kDemoAgentSecret, kDemoCorp}};
    Model::Options model;
  };

  /// Binds and starts to serve. Fault::config where an address cannot be used, Fault::usage where
  /// the speed is not above zero.
  static Result<std::unique_ptr<Simulator>> start(Options options);

  /// Breaks off every call that waits, and returns when nobody is served any more.
  ~Simulator();

  /// "HOST:PORT" with the real port; it stays the same while connections are refused.
  [[nodiscard]] const std::string& address() const noexcept;
  /// As `address`, of the second listener; empty if there is none.
  [[nodiscard]] const std::string& control_address() const noexcept;
  /// "http://HOST:PORT": what `platform.wechat.base_url` is set to.
  [[nodiscard]] std::string base_url() const;

  /// The platform itself, for questions and faults from the same process.
  [[nodiscard]] Model& model() noexcept;
  /// The clock it lives by. A keeper in the same process is given this one.
  [[nodiscard]] MovableClock& clock() noexcept;

  /// From when this returns, connections are refused (ECONNREFUSED); those that there are, are
  /// closed.
  void refuse();
  /// Ends `refuse`. Does nothing if it was not called.
  Result<void> accept();

 private:
  class Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hufu::simulator
