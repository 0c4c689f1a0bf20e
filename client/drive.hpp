// A drive as a client sees it: the calls of files.capnp on plain values. Any thread, many calls at a
// time. Reads, putBlock and commits (under their own request id) are sent again by the connection until
// they are answered or its deadline passes; an error of the server's is answered as it is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/connection.hpp"
#include "client/watch.hpp"
#include "protocol/model.hpp"

namespace cairn::client {

struct ReadResult {
  Bytes bytes;
  std::uint64_t size = 0;       ///< of the whole version
  VersionNumber version;
};

struct ManifestResult {
  Content content;
  VersionNumber version;
};

/// Takes the next bytes of a download, on the thread that called download(). An error stops it.
using ConsumeBytes = std::function<Result<void>(BytesView)>;

class Drive {
 public:
  Drive(std::shared_ptr<Link> link, std::unique_ptr<RequestIds> ids);
  ~Drive();

  Result<Entry> stat(const EntryRef& entry);
  /// One page of up to `limit` entries after the name `after`.
  Result<EntryPage> list_page(const EntryRef& folder, const std::string& after = "",
                              std::uint32_t limit = 1'000);
  /// All entries of a folder, in the byte order of names.
  Result<std::vector<Entry>> list(const EntryRef& folder);

  /// The folder at `path` from the root; with `make`, it and those above it are made where missing.
  Result<Entry> folder(const std::string& path, bool make);

  /// Applies `changes` (1 to 1,000) in order; each has a result of its own. Durable when it returns.
  /// request_forgotten: the answer was lost for so long that the server no longer has it.
  Result<CommitResult> commit(std::vector<Change> changes, std::vector<Receipt> receipts = {});
  void commit(std::vector<Change> changes, std::vector<Receipt> receipts, Callback<CommitResult> done);
  /// One change; its error, if it has one, becomes the error of the call.
  Result<ChangeResult> commit_one(Change change);

  /// Ascending indexes of those `ids` (any number) that this drive lacks.
  Result<std::vector<std::uint32_t>> missing_blocks(const std::vector<BlockId>& ids);
  /// As above for up to limits::max_missing_ids.
  void missing_blocks(std::vector<BlockId> ids, Callback<std::vector<std::uint32_t>> done);
  /// Durable when answered. The caller bounds how many bytes are unanswered
  /// (limits::max_session_block_bytes_in_flight at most).
  Result<Receipt> put_block(const BlockId& id, BytesView bytes);
  void put_block(const BlockId& id, std::shared_ptr<const Bytes> bytes, Callback<Receipt> done);

  /// Up to limits::max_read_bytes from `offset`; version 0 is the current one.
  Result<ReadResult> read(const EntryRef& entry, VersionNumber version, std::uint64_t offset,
                          std::uint32_t bytes);
  void read(const EntryRef& entry, VersionNumber version, std::uint64_t offset, std::uint32_t bytes,
            Callback<ReadResult> done);
  /// Streams a range (to the end if `bytes` is 0) into `consume`; goes on where it was after a lost
  /// connection, in the same version. Answers the size of the version in bytes.
  Result<std::uint64_t> download(const EntryRef& entry, VersionNumber version, std::uint64_t offset,
                                 std::uint64_t bytes, const ConsumeBytes& consume);
  Result<ManifestResult> manifest(const EntryRef& entry, VersionNumber version = {});
  void manifest(const EntryRef& entry, VersionNumber version, Callback<ManifestResult> done);

  /// All kept versions, newest first.
  Result<std::vector<Version>> versions(const EntryRef& entry);
  /// All entries that were removed themselves.
  Result<std::vector<Entry>> trash();
  Result<ChangePage> changes(Cursor cursor, std::uint32_t limit = 1'000);
  Result<Usage> usage();

  /// Follows the feed from `cursor` until the Watch is dropped.
  std::unique_ptr<Watch> watch(Cursor cursor);

 private:
  std::shared_ptr<Link> link_;
  const std::shared_ptr<RequestIds> ids_;
};

}  // namespace cairn::client
