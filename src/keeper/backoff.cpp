#include "keeper/backoff.hpp"

#include <algorithm>

namespace hufu::keeper {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Milliseconds scaled(Milliseconds span, double factor) {
  return Milliseconds(static_cast<Milliseconds::rep>(static_cast<double>(span.count()) * factor));
}

}  // namespace

Milliseconds delay_after(int failures, RetryClass retry_class, bool urgent, double jitter) {
  if (retry_class == RetryClass::slow) return scaled(minutes(5), 1.0 + 0.1 * jitter);
  if (retry_class == RetryClass::next_minute) return scaled(minutes(1), 1.0 + 0.1 * jitter);
  const int doublings = std::clamp(failures - 1, 0, 6);
  const Milliseconds step =
      std::min<Milliseconds>(seconds(1 << doublings), seconds(urgent ? 15 : 60));
  return scaled(step, 0.25 + 0.75 * jitter);
}

}  // namespace hufu::keeper
