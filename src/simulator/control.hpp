#pragma once

#include <functional>

#include "simulator/call.hpp"
#include "simulator/model.hpp"
#include "simulator/movable_clock.hpp"

namespace hufu::simulator {

/// The simulator's own routes under /sim/, for programs that steer and question it from outside.
///
/// JSON in and out; docs/simulator.md is their reference. Moments are Unix milliseconds on the
/// platform's clock, lengths of time are written like "300s". What does not fit is HTTP 400 with
/// `{"error": …}`, and changes nothing. Thread-safety: `handle` may be called from any thread.
class Control {
 public:
  /// Refuses connections for a while from now on (zero: until `accept`). Must not block.
  using Refuse = std::function<Result<void>(Milliseconds)>;
  using Accept = std::function<void()>;

  Control(Model& model, MovableClock& clock, Refuse refuse, Accept accept)
      : model_(model), clock_(clock), refuse_(std::move(refuse)), accept_(std::move(accept)) {}

  /// Whether `path` belongs to these routes.
  static bool owns(std::string_view path) noexcept {
    return path == "/sim" || path.starts_with("/sim/");
  }
  Answer handle(const WireRequest& request);

 private:
  Answer state(const WireRequest& request);
  Answer calls(const WireRequest& request);
  Answer tokens(const WireRequest& request);
  Answer alive(const WireRequest& request);
  Answer put_app(const WireRequest& request);
  Answer remove_app(const WireRequest& request);
  Answer add_fault(const WireRequest& request);
  Answer clear_faults(const WireRequest& request);
  Answer move_clock(const WireRequest& request);
  Answer revoke(const WireRequest& request);
  Answer change_settings(const WireRequest& request);

  Model& model_;
  MovableClock& clock_;
  Refuse refuse_;
  Accept accept_;
};

}  // namespace hufu::simulator
