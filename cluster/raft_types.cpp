#include "cluster/raft_types.hpp"

#include <algorithm>

#include "protocol/codec.hpp"

namespace cairn::cluster {
namespace {

bool holds(const std::vector<ReplicaId>& list, ReplicaId id) {
  return std::binary_search(list.begin(), list.end(), id);
}
void insert(std::vector<ReplicaId>& list, ReplicaId id) {
  const auto at = std::lower_bound(list.begin(), list.end(), id);
  if (at == list.end() || *at != id) list.insert(at, id);
}
void remove(std::vector<ReplicaId>& list, ReplicaId id) { std::erase(list, id); }

void put_list(Writer& out, const std::vector<ReplicaId>& list) {
  out.varint(list.size());
  for (const auto id : list) out.varint(id.value);
}
void get_list(Reader& in, std::vector<ReplicaId>& list) {
  const auto count = in.varint();
  if (count > in.remaining()) return in.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    const ReplicaId id{in.varint()};
    if (id == no_replica || (!list.empty() && id <= list.back())) return in.fail();
    list.push_back(id);
  }
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::follower: return "follower";
    case Role::pre_candidate: return "pre_candidate";
    case Role::candidate: return "candidate";
    case Role::leader: return "leader";
  }
  return "unknown";
}

bool Configuration::has_voter(ReplicaId id) const { return holds(voters, id); }
bool Configuration::has_learner(ReplicaId id) const { return holds(learners, id); }

Configuration Configuration::with_learner(ReplicaId id) const {
  auto next = *this;
  if (!next.has_voter(id)) insert(next.learners, id);
  return next;
}

Configuration Configuration::with_voter(ReplicaId id) const {
  auto next = *this;
  remove(next.learners, id);
  insert(next.voters, id);
  return next;
}

Configuration Configuration::without(ReplicaId id) const {
  auto next = *this;
  remove(next.voters, id);
  remove(next.learners, id);
  return next;
}

bool one_voter_apart(const Configuration& a, const Configuration& b) {
  std::vector<ReplicaId> differ;
  std::set_symmetric_difference(a.voters.begin(), a.voters.end(), b.voters.begin(), b.voters.end(),
                                std::back_inserter(differ));
  return differ.size() <= 1;
}

Bytes encode(const Configuration& configuration) {
  Writer out;
  put_list(out, configuration.voters);
  put_list(out, configuration.learners);
  return out.take();
}

Result<Configuration> decode_configuration(BytesView bytes) {
  Reader in(bytes);
  Configuration configuration;
  get_list(in, configuration.voters);
  get_list(in, configuration.learners);
  for (const auto id : configuration.learners)
    if (configuration.has_voter(id)) in.fail();
  if (!in.finished()) return Error{Errc::protocol, "bytes are not a whole configuration"};
  return configuration;
}

Bytes encode(const Position& position) {
  return Writer().varint(position.index).varint(position.term).raw(encode(position.configuration)).take();
}

Result<Position> decode_position(BytesView bytes) {
  const Error malformed{Errc::corrupt, "the row of the replica's position has a wrong form"};
  Reader in(bytes);
  Position position{in.varint(), in.varint(), {}};
  if (in.failed()) return malformed;
  auto configuration = decode_configuration(in.rest());
  if (!configuration) return malformed;
  position.configuration = std::move(*configuration);
  return position;
}

}  // namespace cairn::cluster
