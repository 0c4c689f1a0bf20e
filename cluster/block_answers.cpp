// Queries about blocks: what a drive lacks, and what any drive names.
#include <algorithm>

#include "cluster/answers.hpp"
#include "cluster/block_counts.hpp"
#include "cluster/drive_view.hpp"

namespace cairn::cluster {
namespace {

using rows::Kind;

/// A walk over all rows that name blocks, which skips the rest.
class ReferenceWalk {
 public:
  ReferenceWalk(storage::RowReader& rows, std::size_t limit) : rows_(rows), limit_(limit) {}

  Result<References> run(BytesView after) {
    const auto all = rows::all_slots();
    Bytes at(std::max(after, all.from.view()));
    for (std::size_t skips = 0; skips < limits::max_reference_rows && !full(); ++skips) {
      jump_.clear();
      CAIRN_TRY(rows_.scan(at, all.to,
                           [&](BytesView key, BytesView value) { return visit(key, value); }));
      if (bad_) return *bad_;
      if (jump_.empty()) return std::move(out_);
      at = jump_;
    }
    out_.next = at;
    return std::move(out_);
  }

 private:
  bool full() const { return out_.blocks.size() >= limit_ || seen_ >= limits::max_reference_rows; }

  bool visit(BytesView key, BytesView value) {
    rows::ParsedKey parsed;
    if (!rows::parse(key, parsed)) {
      bad_ = rows::corrupt_row(key);
      return false;
    }
    if (full()) return go_on_at(key);
    ++seen_;
    const rows::AccountKeys keys(parsed.account);
    const auto kind = static_cast<Kind>(parsed.kind);
    if (ordinal_of(parsed.account) == 0 || kind > Kind::chunk) return go_on_at(keys.all().to);
    if (kind < Kind::entry) return go_on_at(keys.all_of(Kind::entry).from);
    if (!take(kind, EntryId{parsed.id}, value)) bad_ = rows::corrupt_row(key);
    return !bad_;
  }

  bool go_on_at(BytesView key) {
    jump_ = key;
    return false;
  }

  bool take(Kind kind, EntryId id, BytesView value) {
    rows::EntryRow entry;
    rows::VersionRow version;
    rows::ChunkRow chunk;
    const auto* blocks = kind == Kind::entry     ? &entry.content.blocks
                         : kind == Kind::version ? &version.content.blocks
                                                 : &chunk.blocks;
    const bool right = kind == Kind::entry     ? decode(id, value, entry)
                       : kind == Kind::version ? decode(value, version)
                                               : decode(value, chunk);
    for (const auto& block : *blocks) out_.blocks.push_back(block.id);
    return right;
  }

  storage::RowReader& rows_;
  std::size_t limit_;
  std::size_t seen_ = 0;
  References out_;
  Bytes jump_;
  std::optional<Error> bad_;
};

}  // namespace

QueryResult answer(const FindMissing& query, storage::RowReader& rows) {
  if (query.blocks.size() > limits::max_missing_ids)
    return Error{Errc::too_large, std::to_string(query.blocks.size()) + " block ids are over " +
                                      std::to_string(limits::max_missing_ids)};
  DriveView drive(rows, query.account);
  const auto counters = drive.counters();
  if (!counters.ok()) return counters.error();
  BlockCounts counts(rows, drive.keys(), **counters);
  Missing out;
  for (std::uint32_t i = 0; i < query.blocks.size(); ++i) {
    const auto bytes = counts.held_bytes(query.blocks[i]);
    if (!bytes.ok()) return bytes.error();
    if (*bytes == 0) out.indexes.push_back(i);
  }
  return out;
}

QueryResult answer(const ListReferences& query, storage::RowReader& rows) {
  const auto limit = query.limit == 0
                         ? limits::max_references_page
                         : std::min<std::size_t>(query.limit, limits::max_references_page);
  auto found = ReferenceWalk(rows, limit).run(query.after);
  if (!found.ok()) return found.error();
  return std::move(*found);
}

}  // namespace cairn::cluster
