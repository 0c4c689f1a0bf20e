// What a Sync is made of, for the files that run it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "client/local_root.hpp"
#include "client/local_scan.hpp"
#include "client/local_watch.hpp"
#include "client/remote_mirror.hpp"
#include "client/sync.hpp"
#include "client/sync_state.hpp"

namespace cairn::client {

struct Sync::Parts {
  Drive& drive;
  const std::string folder;
  const SyncOptions options;
  LocalRoot root;
  Fd lock;                                ///< held as long as the Sync lives
  std::unique_ptr<SyncState> state;
  EntryId top;                            ///< the drive's folder
  RemoteMirror mirror;
  std::unique_ptr<LocalWatch> watch;
  LocalTree last_scanned;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> seen{0};     ///< the mirror's cursor

  bool cancelled() const {
    return stopping || (options.transfer.cancel != nullptr && *options.transfer.cancel);
  }
};

}  // namespace cairn::client
