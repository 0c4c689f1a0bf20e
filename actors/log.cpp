#include "actors/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace cairn::actors {
namespace {

spdlog::level::level_enum level_of(cluster::LogLevel level) {
  switch (level) {
    case cluster::LogLevel::debug: return spdlog::level::debug;
    case cluster::LogLevel::info: return spdlog::level::info;
    case cluster::LogLevel::warning: return spdlog::level::warn;
    case cluster::LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// A log line's text can hold a user's path: quotes and control characters must not break the JSON.
class JsonText final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    for (const char c : message.payload) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (byte < 0x20) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
      } else {
        out.push_back(c);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonText>(); }
};

}  // namespace

void start_log(const cluster::Config::Log& config, const std::string& node) {
  auto logger = std::make_shared<spdlog::logger>(node, std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  if (config.format == cluster::LogFormat::json) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JsonText>('*').set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","node":"%n","thread":%t,"text":"%*"})");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %n: %v");
  }
  logger->set_level(level_of(config.level));
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

void flush_log() { spdlog::default_logger()->flush(); }

}  // namespace cairn::actors
