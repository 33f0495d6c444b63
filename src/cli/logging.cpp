#include "cli/logging.hpp"

#include <fmt/chrono.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <chrono>

namespace hufu::cli {
namespace {

/// How long an end or an error message waits for the lines before it.
constexpr Milliseconds kFlushTimeout = std::chrono::milliseconds(500);

std::string_view name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "trace";
    case spdlog::level::debug: return "debug";
    case spdlog::level::info: return "info";
    case spdlog::level::warn: return "warn";
    default: return "error";
  }
}

std::string time_of(const spdlog::details::log_msg& message) {
  auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch());
  auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds.count()),
                     (since - seconds).count());
}

/// As a JSON string: that escapes whatever could break a line.
std::string quoted(spdlog::string_view_t text) {
  return boost::json::serialize(boost::json::string(text.data(), text.size()));
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(bool json) : json_(json) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    std::string text = quoted(message.payload);
    if (json_) {
      fmt::format_to(std::back_inserter(out),
                     "{{\"time\":\"{}\",\"level\":\"{}\",\"message\":{}}}\n", time_of(message),
                     name_of(message.level), text);
      return;
    }
    // Without the quotes, and with those inside as they were.
    std::string_view inside = std::string_view(text).substr(1, text.size() - 2);
    std::string plain;
    for (std::size_t i = 0; i < inside.size(); ++i) {
      bool escaped = inside[i] == '\\' && (inside[i + 1] == '"' || inside[i + 1] == '\\');
      plain += inside[escaped ? ++i : i];
    }
    fmt::format_to(std::back_inserter(out), "{} {:<5} {}\n", time_of(message),
                   name_of(message.level), plain);
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(json_);
  }

 private:
  bool json_;
};

/// Of Logging: formats on the thread that logs, and leaves the writing to a LogWriter.
class WriterSink final : public spdlog::sinks::sink {
 public:
  WriterSink(std::shared_ptr<LogWriter> writer, bool json)
      : writer_(std::move(writer)), formatter_(json) {}

  void log(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_.format(message, line);
    writer_->write({line.data(), line.size()});
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::shared_ptr<LogWriter> writer_;
  LineFormatter formatter_;  // Has no state that changes.
};

/// In place of lines that could not be written.
std::string note_on_dropped(bool json, std::uint64_t dropped) {
  const std::string text =
      fmt::format("{} log lines were dropped, as they could not be written", dropped);
  spdlog::memory_buf_t line;
  LineFormatter(json).format({"hufu", spdlog::level::warn, text}, line);
  return {line.data(), line.size()};
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, std::string_view level,
                                            std::string_view format) {
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(out, /*force_flush=*/true);
  auto logger = std::make_shared<spdlog::logger>("hufu", std::move(sink));
  logger->set_formatter(std::make_unique<LineFormatter>(format == "json"));
  logger->set_level(spdlog::level::from_str(std::string(level)));
  return logger;
}

Logging::Logging(const Config& config, int descriptor) : before_(spdlog::default_logger()) {
  const bool json = config.log_format == "json";
  writer_ = std::make_shared<LogWriter>(
      descriptor, [json](std::uint64_t dropped) { return note_on_dropped(json, dropped); },
      LogWriter::Options());
  auto logger =
      std::make_shared<spdlog::logger>("hufu", std::make_shared<WriterSink>(writer_, json));
  logger->set_level(spdlog::level::from_str(config.log_level));
  spdlog::set_default_logger(std::move(logger));
}

Logging::~Logging() { spdlog::set_default_logger(std::move(before_)); }

ExitStatus Logging::fail(const Context& context, const Error& error) {
  return flush() ? context.fail(error) : exit_status(error.fault);
}

bool Logging::flush() { return writer_->flush(kFlushTimeout); }

}  // namespace hufu::cli
