// The rows of the directory's table (disk_format.md, "Rows of the directory"): their keys, and reading them.
// A row that does not follow its grammar is Errc::corrupt. One thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cluster/directory_types.hpp"
#include "storage/table.hpp"

namespace cairn::cluster::directory {

/// The counters of the directory.
struct Head {
  ClusterId cluster;                ///< 0 before Bootstrap
  Epoch epoch;
  Timestamp clock;                  ///< of the last change
  std::uint32_t next_shard = 1;
  std::uint64_t next_replica = 1;
  std::uint64_t first_event = 1;    ///< the oldest that is kept
  std::uint64_t next_event = 1;
  friend bool operator==(const Head&, const Head&) = default;
};

Bytes head_key();
Bytes node_key(const NodeName& name);
Bytes shard_key(ShardId id);
Bytes setting_key(std::string_view name);
Bytes event_key(std::uint64_t number);

Bytes encode_row(const Head& head);
Bytes encode_row(const Node& node);
Bytes encode_row(const Shard& shard);
Bytes encode_row(const Event& event);

/// Default-made if there is none.
Result<Head> read_head(storage::RowReader& rows);
/// Nothing if there is none.
Result<std::optional<Node>> read_node(storage::RowReader& rows, const NodeName& name);
Result<std::optional<Shard>> read_shard(storage::RowReader& rows, ShardId id);

/// Visits nodes after `after` by name, shards by id, until `visit` answers false.
Result<void> scan_nodes(storage::RowReader& rows, const NodeName& after, const std::function<bool(Node)>& visit);
Result<void> scan_shards(storage::RowReader& rows, const std::function<bool(Shard)>& visit);
/// Visits events with numbers below `before`, the newest first.
Result<void> scan_events_back(storage::RowReader& rows, std::uint64_t before, const std::function<bool(Event)>& visit);
Result<std::map<std::string, std::string>> read_settings(storage::RowReader& rows);

/// All that reconcile() goes by.
Result<DirectoryState> read_state(storage::RowReader& rows);

}  // namespace cairn::cluster::directory
