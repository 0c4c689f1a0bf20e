// What somebody has seen of a shard: a position in its log that what they read next must not lie before, so that a
// user sees their own writes and never goes back in time, whichever replica answers. Plain value, any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "cluster/directory_types.hpp"

namespace cairn::cluster {

/// An answer of a shard and the log position that it reflects. `answered` false: there was none.
struct Seen {
  bool answered = false;
  directory::ShardId shard;
  std::uint64_t index = 0;
};

/// How new an answer must be: of everything that was answered to anyone before, or of the log up to `floor`.
struct ReadAt {
  bool linearizable = true;
  std::uint64_t floor = 0;
};

class Floor {
 public:
  /// Positions of one shard say nothing of another's. So the first read of a shard is linearizable: what was
  /// seen of the account when it was another shard's is in what that reads.
  ReadAt of(directory::ShardId shard) const {
    return known_ && shard == shard_ ? ReadAt{false, index_} : ReadAt{true, 0};
  }
  void raise(const Seen& seen) {
    if (!seen.answered) return;
    index_ = known_ && seen.shard == shard_ ? std::max(index_, seen.index) : seen.index;
    shard_ = seen.shard;
    known_ = true;
  }

 private:
  bool known_ = false;
  directory::ShardId shard_;
  std::uint64_t index_ = 0;
};

}  // namespace cairn::cluster
