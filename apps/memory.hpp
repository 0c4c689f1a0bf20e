// The allocator of programs that run a node: the server's, and benchmarks'.
#pragma once

namespace cairn::apps {

/// Sets it up; first of all in main, before any thread. The environment (MIMALLOC_…) has the last word. Nothing in a
/// build with a sanitizer, which brings an allocator of its own.
void set_up_memory();

}  // namespace cairn::apps
