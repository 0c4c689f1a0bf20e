// The allocator of programs that run a node: the server's, and benchmarks'.
#pragma once

#include <chrono>

namespace cairn::apps {

/// Sets it up; first of all in main, before any thread. The environment (MIMALLOC_…) has the last word. Nothing in a
/// build with a sanitizer, which brings an allocator of its own.
void set_up_memory();

/// Freed memory is kept for the next use; this gives back what is whole, 32 MiB at a time. From the main thread.
void return_free_memory();
/// How often to do that.
inline constexpr std::chrono::seconds memory_kept{60};

}  // namespace cairn::apps
