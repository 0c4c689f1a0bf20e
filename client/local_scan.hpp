// A local folder as a sync sees it. Pure reading, one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/local_root.hpp"
#include "client/sync_plan.hpp"
#include "client/transfer.hpp"

namespace cairn::client {

/// The part of a synced folder that belongs to the sync itself.
inline constexpr const char* sync_folder = ".cairn";

LocalNode local_node(const struct stat& found);

struct LocalScan {
  LocalTree tree;
  /// Names that are spelled otherwise than in NFC: where they are, and how they are spelled.
  std::map<SyncPath, std::string> spelled;
  std::vector<Note> skipped;            ///< what cannot be synced
  /// Under temporary names, with their raw paths: left by a sync or download that died.
  std::vector<std::pair<std::string, LocalNode>> leftovers;

  /// The path by which the system knows it.
  std::string path(const SyncPath& path) const;
};

/// Everything under `folder` but the sync's own. A folder that cannot be listed is an error of the
/// whole: what is in it must not look as if it were gone.
Result<LocalScan> scan(const LocalRoot& folder);

}  // namespace cairn::client
