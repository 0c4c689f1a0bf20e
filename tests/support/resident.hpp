// How much memory this process has.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace cairn::test {

/// Resident memory of this process; 0 if the system does not tell.
inline std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stoull(line.substr(6)) * 1'024;
  return 0;
}

}  // namespace cairn::test
