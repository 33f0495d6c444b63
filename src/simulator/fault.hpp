#pragma once

#include <boost/json/object.hpp>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/clock.hpp"
#include "hufu/error.hpp"

namespace hufu::simulator {

/// One way in which calls go wrong on purpose.
struct FaultSwitch {
  enum class Kind {
    hang,       ///< No answer until the client gives up.
    slow,       ///< `delay` passes first. The call is carried out even if the client has gone.
    reset,      ///< The connection is reset instead of an answer.
    reply,      ///< `status`, `content_type` and `body` instead of an answer.
    truncated,  ///< A well-formed reply with the first half of the answer.
    cut,        ///< The reply announces the whole answer, and the connection ends after half of it.
    absurd,     ///< The answer, with `fields` put in and those of `remove` taken out; "data.token"
                ///< is the `token` inside of `data`.
    errcode,    ///< `errcode`, in the platform's shape.
  };

  Kind kind = Kind::hang;
  std::string endpoint;  ///< `Call::name` of the calls it befalls; empty: all.
  std::string app;       ///< Empty: all.
  int count = 0;         ///< How many calls it befalls; 0: all until it is cleared.

  /// Whether the call is carried out first (a token is made, the old one displaced) and only its
  /// answer suffers. Of `hang`, `slow`, `reset` and `reply`; the others are what their name says:
  /// an errcode is not carried out, an answer that is spoilt was one.
  bool after = false;

  Milliseconds delay{};  ///< Of `slow`. Real time, not the simulator's.
  int errcode = -1;
  std::string word;  ///< Instead of `errcode`, for a platform whose codes are words.
  int status = 200;
  std::string content_type = "text/html";
  std::optional<std::string> body;  ///< Of `reply`; without one, a page of HTML.
  boost::json::object fields;
  std::vector<std::string> remove;

  /// Reads the names above as they are ("delay" as "500ms"). Fault::usage names what does not fit.
  static Result<FaultSwitch> from_json(const boost::json::object& object);
  [[nodiscard]] boost::json::object to_json() const;
};

std::string_view name_of(FaultSwitch::Kind kind) noexcept;
std::optional<FaultSwitch::Kind> fault_kind(std::string_view name) noexcept;

/// The faults that are switched on. Thread-safety: none; the Model locks.
class Switchboard {
 public:
  void add(FaultSwitch fault) { faults_.push_back(std::move(fault)); }
  void clear() { faults_.clear(); }
  /// The oldest fault that befalls such a call, if any; it counts as used once.
  std::optional<FaultSwitch> take(std::string_view endpoint, std::string_view app);
  [[nodiscard]] const std::list<FaultSwitch>& all() const noexcept { return faults_; }

 private:
  std::list<FaultSwitch> faults_;
};

}  // namespace hufu::simulator
