#include "keeper/store_health.hpp"

namespace hufu::keeper {
namespace {

/// A store that lets one wait so long for a refusal has not looked: it does not answer.
constexpr Milliseconds kSilence = std::chrono::seconds(1);

}  // namespace

void StoreHealth::written(const Error* error) {
  if (!announces_) return note(writable_, error);
  if ((error == nullptr) != writable_ && announce_) announce_();
}

void StoreHealth::record_read(const Error* error, SteadyTime asked) {
  if (!announces_) return note(readable_, error);
  if (error == nullptr) return;
  if (loop_.clock().steady() - asked >= kSilence) changes_read(error);
  written(error);
}

void StoreHealth::note(bool& part, const Error* error) {
  part = error == nullptr;
  const bool usable = readable_ && writable_;
  if (usable_.exchange(usable) != usable) observer_.store_changed(usable, error);
}

}  // namespace hufu::keeper
