// TCP ports on loopback that nobody uses, for programs that must be told theirs beforehand. Any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace cairn::test {

/// `count` different ports, free now, below those that the system gives to outgoing connections; each call of each
/// process looks elsewhere first. Ends the process if there are too few.
std::vector<std::uint16_t> free_ports(std::size_t count);

}  // namespace cairn::test
