// Clients of a shard inside the node's process: each an actor that sends its next message to the replica
// when the last one was answered, as a session does. Main thread; blocks until the load has ended.
#pragma once

#include <caf/actor_system.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/node.hpp"
#include "tests/bench/support/measure.hpp"

namespace cairn::bench {

/// The next message of client number …; nothing ends the client. Called by one thread at a time for each
/// client, by several for different ones.
using NextProposal = std::function<std::optional<cluster::Command>(unsigned client)>;
using NextQuery = std::function<std::optional<cluster::Query>(unsigned client)>;

/// An answer that is an Error, or holds a change with one, ends the benchmark.
LoadResult propose_from(actors::Node& node, unsigned clients, const NextProposal& next);
LoadResult ask_from(actors::Node& node, unsigned clients, const NextQuery& next);

/// One proposal, and what it came to.
cluster::CommandResult propose(actors::Node& node, const cluster::Command& command);

/// Accounts with files: `drives` of them, files in folders of `files_per_folder`, entry ids dense in the
/// order of making.
class Drives {
 public:
  static constexpr std::uint32_t files_per_folder = 999;  ///< with its folder one full commit

  enum class Content { one_block, empty };

  Drives(unsigned drives, Content content) : drives_(drives), content_(content) {}

  /// Makes the accounts. Once, on an empty shard.
  void make(actors::Node& node);
  /// Adds whole folders, evenly, until there are about `files` in all.
  LoadResult fill(actors::Node& node, std::uint64_t files);

  unsigned drives() const { return drives_; }
  std::uint64_t files() const { return std::uint64_t{folders_} * files_per_folder * drives_; }
  AccountId account(unsigned drive) const { return accounts_[drive]; }
  double mean_name_bytes() const;

  struct File {
    AccountId account;
    EntryId id;
    EntryId folder;
    std::string name;
  };
  /// The file that `random` picks, all alike likely.
  File pick(std::uint64_t random) const;
  /// As above in one drive.
  File pick_in(unsigned drive, std::uint64_t random) const;

  /// A token that resumes a session of `client` on a drive.
  std::string issue_token(actors::Node& node, unsigned drive, ClientId client) const;

  /// A commit of one changed row: new attributes of a random file.
  cluster::Command touch(unsigned drive, RequestId request, std::uint64_t random) const;

 private:
  cluster::Command folder_of_files(unsigned drive, std::uint32_t folder) const;
  void check_places(actors::Node& node) const;

  unsigned drives_;
  Content content_;
  std::vector<AccountId> accounts_;
  std::uint32_t folders_ = 0;       ///< in each drive
};

std::string file_name(std::uint32_t folder, std::uint32_t file);

}  // namespace cairn::bench
