// Logging: the one way to spdlog. What is logged never holds passwords, tokens, keys or file contents.
// Any thread.
#pragma once

#include <spdlog/spdlog.h>

#include <utility>

#include "cluster/config.hpp"

namespace cairn::actors {

/// Sets format and level of the process's log, which goes to standard error.
void start_log(const cluster::Config::Log& config, const std::string& node);

/// Writes out what is buffered.
void flush_log();

template <class... Args>
void log_debug(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace cairn::actors
