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

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, std::string_view level,
                                            std::string_view format) {
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(out, /*force_flush=*/true);
  auto logger = std::make_shared<spdlog::logger>("hufu", std::move(sink));
  logger->set_formatter(std::make_unique<LineFormatter>(format == "json"));
  logger->set_level(spdlog::level::from_str(std::string(level)));
  return logger;
}

void start_logging(const Config& config, std::ostream& out) {
  spdlog::set_default_logger(make_logger(out, config.log_level, config.log_format));
}

}  // namespace hufu::cli
