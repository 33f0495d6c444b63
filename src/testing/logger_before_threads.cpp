#include <spdlog/spdlog.h>

namespace hufu::testing {
namespace {

/// Makes spdlog's default logger before main(), as the program makes its own before it has threads.
///
/// A test has none. Where two threads of one test are the first that log, one of them makes the
/// logger inside libspdlog, whose lock TSan does not see, and the other's read is called a race
/// (found by CI in Service.SaysThatItsPortIsTakenAndCanListenElsewhere).
[[maybe_unused]] const auto kMadeBeforeThreads = spdlog::default_logger();

}  // namespace
}  // namespace hufu::testing
