// A cluster as its nodes tell it, put together: who is there, who leads what, and what is not as it should be. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/cairn/output.hpp"
#include "protocol/admin_status.hpp"
#include "protocol/error.hpp"

namespace cairn::apps {

/// What came of asking one node.
struct NodeAnswer {
  std::string name;  ///< as it was asked for; "": only its socket is known
  std::string socket;
  Result<AdminStatus> status;
};

struct ClusterView {
  struct Node {
    std::string name;
    std::string state;     ///< the directory's word; "unknown"
    bool answers = false;  ///< it was asked, and answered
    std::string zone;
    std::vector<std::string> roles;
    std::uint64_t incarnation = 0;
    std::string rpc_address;
    std::string link_address;
    std::size_t links_up = 0;
    std::size_t links = 0;
  };
  struct Replica {
    std::uint64_t id = 0;
    std::string node;
    std::string kind;
    std::string role;  ///< "": its node did not answer
    std::optional<std::uint64_t> applied;
    std::optional<std::uint64_t> lag;  ///< entries that it lacks, as its leader knows
    bool withdrawn = false;
    std::string withdrawn_why;
  };
  struct Shard {
    std::uint32_t id = 0;
    std::string slots;   ///< "0-16383", "directory"
    std::string leader;  ///< the node; "": nobody is known to lead
    std::uint64_t term = 0;
    std::uint32_t wanted = 0;
    std::vector<Replica> replicas;
  };
  std::uint64_t epoch = 0;
  std::vector<Node> nodes;
  std::vector<Shard> shards;
  std::vector<AdminStatus::Setting> settings;
  std::vector<AdminStatus::Event> events;  ///< newest first
  std::vector<std::string> problems;       ///< a sentence each; none: all is well
  std::size_t answered = 0;
  /// Every node answered and is registered, and every shard of a founded cluster is led.
  bool serves = false;
};

ClusterView make_view(const std::vector<NodeAnswer>& answers);

/// Lines for people; with at most `events` of the events.
std::vector<std::string> describe(const ClusterView& view, std::size_t events);
Json to_json(const ClusterView& view);

}  // namespace cairn::apps
