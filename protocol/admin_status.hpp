// What a node tells its operator (admin.capnp), as plain values: the one form between the server's actors, the
// client library and the command line. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

/// Fields mean what admin.capnp says of them.
struct AdminStatus {
  struct Node {
    std::string name;
    std::string version;
    std::uint64_t incarnation = 0;
    std::uint64_t uptime_millis = 0;
    std::string zone;
    std::vector<std::string> roles;
    std::string rpc_address;
    std::string link_address;
    bool registered = false;
    std::uint64_t map_epoch = 0;
    friend bool operator==(const Node&, const Node&) = default;
  };
  struct Actor {
    std::string name;
    bool running = false;
    std::uint32_t restarts = 0;
    std::string last_crash;
    friend bool operator==(const Actor&, const Actor&) = default;
  };
  struct Link {
    std::string peer;
    std::string address;
    std::string state;
    bool dials = false;
    std::uint64_t incarnation = 0;
    std::int64_t clock_skew_millis = 0;
    std::uint64_t times_up = 0;
    std::uint64_t buffered_bytes = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::string last_error;
    friend bool operator==(const Link&, const Link&) = default;
  };
  struct Lag {
    std::uint64_t replica = 0;
    std::uint64_t entries = 0;
    friend bool operator==(const Lag&, const Lag&) = default;
  };
  struct Replica {
    std::uint32_t shard = 0;
    std::uint64_t id = 0;
    std::string role;
    std::uint64_t term = 0;
    std::uint64_t leader = 0;
    std::uint64_t applied = 0;
    std::uint64_t committed = 0;
    std::uint64_t last_index = 0;
    std::uint64_t checkpointed = 0;
    std::uint64_t log_bytes = 0;
    bool withdrawn = false;
    bool settled = false;
    std::vector<Lag> lag;
    std::string withdrawn_why;
    friend bool operator==(const Replica&, const Replica&) = default;
  };
  struct Member {
    std::string name;
    std::string state;
    std::string zone;
    std::vector<std::string> roles;
    std::string link_address;
    std::string rpc_address;
    std::uint64_t incarnation = 0;
    friend bool operator==(const Member&, const Member&) = default;
  };
  struct SlotRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    friend bool operator==(const SlotRange&, const SlotRange&) = default;
  };
  struct Placed {
    std::uint64_t replica = 0;
    std::string node;
    std::string kind;
    friend bool operator==(const Placed&, const Placed&) = default;
  };
  struct Shard {
    std::uint32_t id = 0;
    std::vector<SlotRange> slots;
    std::vector<Placed> placed;
    std::uint64_t leader = 0;
    std::uint64_t leader_term = 0;
    std::uint32_t wanted = 0;
    friend bool operator==(const Shard&, const Shard&) = default;
  };
  struct Setting {
    std::string name;
    std::string value;
    friend bool operator==(const Setting&, const Setting&) = default;
  };
  struct Event {
    std::uint64_t number = 0;
    std::int64_t time_millis = 0;
    std::string what;
    std::string why;
    friend bool operator==(const Event&, const Event&) = default;
  };
  struct Directory {
    std::uint64_t epoch = 0;
    std::vector<Member> nodes;
    std::vector<Shard> shards;
    std::vector<Setting> settings;
    std::vector<Event> events;
    friend bool operator==(const Directory&, const Directory&) = default;
  };

  Node node;
  std::vector<Actor> actors;
  std::vector<Link> links;
  std::vector<Replica> replicas;
  Directory directory;
  std::vector<std::string> missing;
  friend bool operator==(const AdminStatus&, const AdminStatus&) = default;
};

}  // namespace cairn
