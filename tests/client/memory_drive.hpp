// A drive in memory by the rules of protocol/model.hpp, for tests of the client: as simple as can be,
// without limits, quota or retention. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "protocol/model.hpp"

namespace cairn::client {

class MemoryDrive {
 public:
  MemoryDrive();

  Result<Entry> stat(const EntryRef& ref);
  Result<EntryPage> list(const EntryRef& ref, const std::string& after, std::size_t limit);
  /// Takes effect once a sequence, as the real one.
  Result<CommitResult> commit(const Commit& commit);
  std::vector<std::uint32_t> missing(const std::vector<BlockId>& ids);
  Result<Receipt> put_block(const BlockId& id, const Bytes& bytes);
  struct Found {
    Content content;
    VersionNumber version;
  };
  Result<Found> content(const EntryRef& ref, VersionNumber version);
  Result<Bytes> read(const Content& content, std::uint64_t offset, std::uint64_t count);
  Result<std::vector<Version>> versions(const EntryRef& ref, std::uint32_t before);
  EntryPage trash();
  Result<ChangePage> changes(Cursor cursor, std::size_t limit);
  /// Forgets the journal so far: older cursors are expired.
  void expire_journal();
  /// Turns over a bit of a stored block.
  void corrupt(const BlockId& id);
  /// Says once that the block is there, which it is not.
  void pretend_to_have(const BlockId& id);

  // For the tests to look at.
  std::size_t blocks_put() const { return blocks_put_; }
  std::size_t commits_applied() const { return commits_applied_; }
  /// Path -> kind and content of everything that is not in the trash.
  std::map<std::string, Bytes> files();
  Cursor cursor();

 private:
  struct Node {
    Entry entry;
    std::map<std::uint32_t, Content> versions;
    std::map<std::uint32_t, Attributes> attributes;
  };
  struct Applier;

  Result<Node*> find(const EntryRef& ref);
  Node* child(EntryId parent, const std::string& name);
  ChangeResult apply(const Change& change);
  void changed(Node& node);

  std::mutex mutex_;
  std::map<std::uint64_t, Node> nodes_;
  std::map<BlockId, Bytes> blocks_;
  std::map<std::uint64_t, std::uint64_t> journal_;  ///< cursor -> entry
  std::map<RequestId, CommitResult> results_;
  std::uint64_t next_entry_ = 2;
  std::uint64_t cursor_ = 0;
  std::uint64_t expired_ = 0;
  std::set<BlockId> pretended_;
  std::size_t blocks_put_ = 0;
  std::size_t commits_applied_ = 0;
};

}  // namespace cairn::client
