#include "cli/secret_input.hpp"

#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <istream>
#include <iterator>
#include <ostream>

#include "config/secret_source.hpp"

namespace hufu::cli {
namespace {

/// More than any secret or token: what is longer was not meant to be one.
constexpr std::size_t kLongestInput = 64 * 1024;

/// Switches the echo of standard input off while it lives, and back on where the process is told to
/// end meanwhile: nobody wants to be left with a silent terminal. One at a time.
class Silence {
 public:
  Silence() : is_terminal_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!is_terminal_) return;
    struct sigaction give_back {};
    give_back.sa_handler = [](int signal) {
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
      raise(signal);  // Does what it would have done, once this handler has returned.
    };
    give_back.sa_flags = static_cast<int>(SA_RESETHAND);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], &give_back, &handlers_[i]);
    }
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (!is_terminal_) return;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], &handlers_[i], nullptr);
    }
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  static inline termios before_{};
  bool is_terminal_;
  std::array<struct sigaction, kSignals.size()> handlers_{};
};

/// What is wrong with a secret that was named on the command line is wrong with the command line.
Result<Secret> as_usage(Result<Secret> secret) {
  if (!secret) secret.error().fault = Fault::usage;
  return secret;
}

}  // namespace

Result<Secret> read_hidden(const Context& context, const std::string& what, std::size_t longest) {
  std::string text;
  // Reserved once, so that no shorter copy is left behind unwiped.
  text.reserve(kLongestInput + 1);
  if (context.in_is_terminal()) {
    context.err() << what << " (not shown): " << std::flush;
    Silence silence;
    std::getline(context.in(), text);
    context.err() << '\n';
  } else {
    for (char c = '\0'; text.size() <= kLongestInput && context.in().get(c);) text += c;
  }
  if (text.size() > kLongestInput) {
    wipe(text);
    return fail(Fault::usage, "standard input holds too much to be the " + what,
                "Put it there and nothing else");
  }
  return as_usage(config::secret_from_text(std::move(text), "standard input", what, longest));
}

void add_secret_flags(Parameters& parameters, SecretFlags& flags) {
  parameters.flag("--secret-stdin", flags.from_stdin, "Read the secret from standard input");
  parameters.option("--secret-file", flags.file, "Read the secret from this file").value("FILE");
  parameters
      .option("--secret-env", flags.variable, "Take the secret from this environment variable")
      .value("NAME");
}

Result<Secret> read_secret(const SecretFlags& flags, const Context& context) {
  const int places =
      int{flags.from_stdin} + int{!flags.file.empty()} + int{!flags.variable.empty()};
  if (places != 1) {
    return fail(
        Fault::usage,
        places == 0 ? "the secret is missing" : "the secret is named in more than one place",
        "Use one of --secret-stdin (at a terminal it asks, and does not show what is typed), "
        "--secret-file FILE and --secret-env NAME");
  }
  if (flags.from_stdin) return read_hidden(context, "app secret", config::kLongestSecret);
  if (!flags.file.empty()) {
    auto text = context.sources.read_file(flags.file);
    if (!text) {
      return fail(
          Fault::usage,
          "the file that --secret-file names " +
              (text.error().missing ? "does not exist" : "cannot be read: " + text.error().reason),
          "Name a file that holds the secret and nothing else");
    }
    return as_usage(
        config::secret_from_text(std::move(*text), "the file that --secret-file names"));
  }
  const std::string* value = config::find(context.sources.environment, flags.variable);
  if (value == nullptr) {
    return fail(Fault::usage, "the variable that --secret-env names is not set",
                "Name a variable that holds the secret; its name, not its value");
  }
  return as_usage(
      config::secret_from_text(std::string(*value), "the variable that --secret-env names"));
}

}  // namespace hufu::cli
