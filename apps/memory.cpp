#include "apps/memory.hpp"

#ifdef CAIRN_MIMALLOC
#include <mimalloc.h>
#endif

namespace cairn::apps {

// Each page that is touched for the first time costs a fault, and where page tables are shadowed, as in many virtual
// machines, as much as a commit. So memory is taken in pages of 2 MiB where the system has them (those of its reserved
// pool, too), in whole segments, since what is committed piece by piece gets none. The allocator gives no part of such
// a segment back, and keeps those that are free: what a checkpoint frees, the next rows take. Memory in small pages, if
// the environment asks for that, is kept as long.
void set_up_memory() {
#ifdef CAIRN_MIMALLOC
  mi_option_set_default(mi_option_large_os_pages, 1);
  mi_option_set_default(mi_option_eager_commit_delay, 0);
  constexpr auto for_millis = std::chrono::milliseconds(memory_kept).count();
  for (const auto option : {mi_option_decommit_delay, mi_option_segment_decommit_delay})
    mi_option_set_default(option, for_millis);
#endif
}

void return_free_memory() {
#ifdef CAIRN_MIMALLOC
  mi_collect(true);
#endif
}

}  // namespace cairn::apps
