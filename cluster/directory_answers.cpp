// Answers to what the directory is asked.
#include <algorithm>
#include <set>

#include "cluster/answers.hpp"
#include "cluster/directory_apply.hpp"
#include "cluster/directory_settings.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

std::size_t events_page_size(std::uint32_t limit) {
  return limit == 0 ? limits::max_events_page : std::min<std::size_t>(limit, limits::max_events_page);
}

/// What query results and errors of rows share: the Error, or what `make` answers.
template <class T>
QueryResult result_of(Result<T> result) {
  if (!result.ok()) return result.error();
  return std::move(*result);
}

Result<SlotMap> map_since(Epoch since, storage::RowReader& rows) {
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  SlotMap map;
  map.epoch = head->epoch;
  // A caller from the future saw a directory that this replica has not caught up with: it learns nothing.
  if (since >= map.epoch) return map;
  std::set<NodeName> hosts;
  std::set<NodeName> needed;
  CAIRN_TRY(scan_shards(rows, [&](Shard shard) {
    for (const auto& replica : shard.replicas) {
      hosts.insert(replica.node);
      if (shard.changed > since) needed.insert(replica.node);
    }
    if (shard.changed > since) map.shards.push_back(std::move(shard));
    return true;
  }));
  CAIRN_TRY(scan_nodes(rows, {}, [&](const Node& node) {
    const bool news = node.changed > since ? hosts.contains(node.name) : needed.contains(node.name);
    if (news) map.nodes.push_back({node.name, node.incarnation, node.link_address, node.rpc_address});
    return true;
  }));
  return map;
}

Result<Nodes> nodes_after(const GetNodes& query, storage::RowReader& rows) {
  const auto most = page_size(query.limit);
  Nodes page;
  CAIRN_TRY(scan_nodes(rows, query.after, [&](Node node) {
    page.more = page.nodes.size() == most;
    if (!page.more) page.nodes.push_back(std::move(node));
    return !page.more;
  }));
  return page;
}

Result<ShardFound> shard_now(ShardId id, storage::RowReader& rows) {
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  const auto shard = find_shard(rows, id, {});
  CAIRN_TRY(shard);
  return ShardFound{head->epoch, *shard};
}

Result<Events> events_before(const GetEvents& query, storage::RowReader& rows) {
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  const auto before = query.before == 0 ? head->next_event : std::min(query.before, head->next_event);
  const auto most = events_page_size(query.limit);
  Events page;
  CAIRN_TRY(scan_events_back(rows, before, [&](Event event) {
    page.more = page.events.size() == most;
    if (!page.more) page.events.push_back(std::move(event));
    return !page.more;
  }));
  return page;
}

Result<SettingsFound> settings_now(storage::RowReader& rows) {
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  const auto changed = read_settings(rows);
  CAIRN_TRY(changed);
  SettingsFound out;
  out.epoch = head->epoch;
  for (const auto& setting : known_settings()) {
    const auto at = changed->find(std::string(setting.name));
    out.settings.push_back(
        {std::string(setting.name), at == changed->end() ? std::to_string(setting.fallback) : at->second});
  }
  return out;
}

Result<StateChanges> state_since(Epoch since, storage::RowReader& rows) {
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  StateChanges out;
  out.cluster = head->cluster;
  out.epoch = head->epoch;
  auto settings = read_settings(rows);
  CAIRN_TRY(settings);
  out.settings = std::move(*settings);
  // Asked again and again, and mostly nothing has changed.
  if (since >= out.epoch) return out;
  CAIRN_TRY(scan_nodes(rows, {}, [&](Node node) {
    if (node.changed > since) out.nodes.push_back(std::move(node));
    return true;
  }));
  CAIRN_TRY(scan_shards(rows, [&](Shard shard) {
    if (shard.changed > since) out.shards.push_back(std::move(shard));
    return true;
  }));
  return out;
}

}  // namespace

QueryResult answer(const GetMap& query, storage::RowReader& rows) { return result_of(map_since(query.since, rows)); }
QueryResult answer(const GetNodes& query, storage::RowReader& rows) { return result_of(nodes_after(query, rows)); }
QueryResult answer(const GetNode& query, storage::RowReader& rows) {
  const auto node = find_node(rows, query.node, "node");
  if (!node.ok()) return node.error();
  return Nodes{{*node}, false};
}
QueryResult answer(const GetShard& query, storage::RowReader& rows) { return result_of(shard_now(query.shard, rows)); }
QueryResult answer(const GetEvents& query, storage::RowReader& rows) { return result_of(events_before(query, rows)); }
QueryResult answer(const GetSettings&, storage::RowReader& rows) { return result_of(settings_now(rows)); }
QueryResult answer(const GetState& query, storage::RowReader& rows) {
  return result_of(state_since(query.since, rows));
}

}  // namespace cairn::cluster::directory
