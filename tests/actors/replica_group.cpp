#include "tests/actors/replica_group.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <algorithm>

namespace cairn::actors::test {
namespace {

// They stand for actors of the node, and know all that a replica tells these: an answer that they do not know a
// message would end it.

caf::behavior remembering_agent(caf::event_based_actor*, std::shared_ptr<Told> told,
                                std::shared_ptr<Events<ReplicaId>> news) {
  return {
      [told, news](const ReplicaChanged& message) {
        told->changes.add(message);
        news->add(message.replica);
      },
      [](const NodeWarned&) {},
      [told](const ReplicaWithdrew& message) { told->withdrawals.add(message); },
  };
}

caf::behavior remembering_hub(caf::event_based_actor*, std::shared_ptr<Told> told) {
  return {
      [told](const JournalGrew& message) { told->growth.add(message); },
      [](const ReplicaChanged&) {},
  };
}

caf::behavior remembering_directory(caf::event_based_actor*, std::shared_ptr<Told> told) {
  return {[told](const ReplicaChanged& message) { told->to_directory.add(message); }};
}

}  // namespace

void TestNetwork::send(cluster::directory::ShardId, const cluster::Message& message) {
  const std::lock_guard lock(mutex_);
  if (cut_.contains(message.from) || cut_.contains(message.to) || (drop_ && drop_(message))) return;
  const auto to = replicas_.find(message.to);
  if (to == replicas_.end() || !to->second) return;
  ++brought_[message.body.index()];
  caf::anon_send(to->second, RaftReceived{message});
}

void TestNetwork::set(ReplicaId id, ReplicaActor actor) {
  const std::lock_guard lock(mutex_);
  replicas_[id] = std::move(actor);
}

void TestNetwork::cut(ReplicaId id) {
  const std::lock_guard lock(mutex_);
  cut_.insert(id);
}

void TestNetwork::heal() {
  const std::lock_guard lock(mutex_);
  cut_.clear();
}

void TestNetwork::drop(std::function<bool(const cluster::Message&)> drop) {
  const std::lock_guard lock(mutex_);
  drop_ = std::move(drop);
}

std::size_t TestNetwork::brought(std::size_t kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = brought_.find(kind);
  return found == brought_.end() ? 0 : found->second;
}

ReplicaGroupTest::~ReplicaGroupTest() { kill_all(); }

void ReplicaGroupTest::found(std::initializer_list<std::uint64_t> ids) {
  if (options_.shard.value == 0) options_.shard = cluster::directory::ShardId{2};
  if (options_.slots.empty()) options_.slots = {cluster::directory::all_slots};
  options_.metadata.log_segment_bytes = 1u << 20;
  for (const auto id : ids) founders_ = founders_.with_voter(ReplicaId{id});
  for (const auto id : ids) ASSERT_TRUE(start(id).ok());
}

Result<void> ReplicaGroupTest::start(std::uint64_t number, bool joins) {
  const ReplicaId id{number};
  auto options = options_;
  options.self = id;
  options.directory = folder(number);
  if (!joins) options.founders = founders_;
  auto& lease = leases_[id];
  if (!lease) lease = std::make_shared<Lease>();
  auto opened = open_replica(options, lease.get());
  if (!opened) return opened.error();
  Running running;
  running.disk = std::make_shared<RoomyDisk>(opened->disk);
  opened->disk = running.disk;
  running.routes = std::make_shared<Routes>();
  running.told = std::make_shared<Told>();
  running.agent = system_.spawn(remembering_agent, running.told, news_);
  running.hub = system_.spawn(remembering_hub, running.told);
  running.directory = system_.spawn(remembering_directory, running.told);
  running.routes->set_agent(caf::actor_cast<AgentActor>(running.agent));
  running.routes->set_watch_hub(caf::actor_cast<WatchHubActor>(running.hub));
  running.routes->set_directory(caf::actor_cast<DirectoryActor>(running.directory));
  running.actor =
      system_.spawn(replica, std::move(*opened), options, running.routes, std::shared_ptr<ReplicaNetwork>(network_));
  network_->set(id, running.actor);
  running_[id] = std::move(running);
  return {};
}

void ReplicaGroupTest::kill(std::uint64_t number, bool tell) {
  const ReplicaId id{number};
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  network_->set(id, {});
  caf::anon_send_exit(found->second.actor, caf::exit_reason::kill);
  caf::anon_send_exit(found->second.agent, caf::exit_reason::kill);
  caf::anon_send_exit(found->second.hub, caf::exit_reason::kill);
  caf::anon_send_exit(found->second.directory, caf::exit_reason::kill);
  running_.erase(found);
  if (tell)
    for (const auto& [other, running] : running_) caf::anon_send(running.actor, PeerDown{id});
  ASSERT_TRUE(leases_.at(id)->take().ok());  // its last part has let go of the folder
}

void ReplicaGroupTest::kill_all() {
  while (!running_.empty()) kill(running_.begin()->first.value, false);
}

std::uint64_t ReplicaGroupTest::leader() {
  return leader_if([](std::uint64_t) { return true; });
}

std::uint64_t ReplicaGroupTest::leader_but(std::uint64_t other) {
  return leader_if([=](std::uint64_t id) { return id != other; });
}

std::uint64_t ReplicaGroupTest::leader_if(const std::function<bool(std::uint64_t)>& counts) {
  std::uint64_t best = 0;
  news_->wait([&](const auto&) {
    std::uint64_t term = 0;
    for (const auto& [id, running] : running_) {
      const auto changes = running.told->changes.all();
      if (changes.empty() || !changes.back().settled || changes.back().term < term || !counts(id.value)) continue;
      best = id.value;
      term = changes.back().term;
    }
    return best != 0;
  });
  if (!best) ADD_FAILURE() << "nobody leads";
  return best ? best : running_.begin()->first.value;
}

std::uint64_t ReplicaGroupTest::follower(std::uint64_t leader) const {
  for (const auto& [id, running] : running_)
    if (id.value != leader) return id.value;
  return 0;
}

Answer ReplicaGroupTest::send(std::uint64_t id, ShardRequest request) {
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(actor(id), asker->asks({std::move(request)}));
  const auto answers = asker->answers(1);
  if (!answers.empty()) return answers.begin()->second;
  ADD_FAILURE() << "replica " << id << " does not answer";
  return Answer{{}, Served::unknown, 0, 0};
}

Answer ReplicaGroupTest::propose(std::uint64_t id, const cluster::Command& command, std::uint16_t slot) {
  return send(id, Propose{{options_.shard.value, slot}, cluster::encode(command)});
}

Answer ReplicaGroupTest::ask(std::uint64_t id, const cluster::Query& query, bool linearizable, std::uint64_t floor) {
  return send(id, Ask{{options_.shard.value, whole_shard}, cluster::encode(query), linearizable, floor});
}

std::uint64_t ReplicaGroupTest::make_account(const std::string& login) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    const auto answer = propose(leader(), create_account(login));
    if (answer.served != Served::done) continue;
    const auto result = cluster::decode_command_result(answer.result);
    if (!result) break;
    if (std::holds_alternative<cluster::AccountCreated>(*result)) return answer.index;
    const auto* error = std::get_if<Error>(&*result);
    if (error && error->code == Errc::already_exists) return answer.index;
    if (!error || (error->code != Errc::busy && error->code != Errc::disk_full)) break;
  }
  ADD_FAILURE() << "no account " << login;
  return 0;
}

bool ReplicaGroupTest::has_account(std::uint64_t id, const std::string& login, bool linearizable, std::uint64_t floor) {
  const auto answer = ask(id, cluster::FindLogin{login}, linearizable, floor);
  EXPECT_EQ(answer.served, Served::done);
  const auto result = cluster::decode_query_result(answer.result);
  return result && std::holds_alternative<cluster::LoginFound>(*result);
}

bool ReplicaGroupTest::reaches(std::uint64_t id, std::uint64_t index) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until)
    if (ask(id, cluster::FindLogin{"nobody"}, false, index).served == Served::done) return true;
  return false;
}

ReplicaStatus ReplicaGroupTest::status(std::uint64_t id) {
  Answered<ReplicaStatus> answered;
  caf::anon_send(actor(id), GetReplica{answered.reply()});
  return answered.get().value();
}

bool ReplicaGroupTest::becomes(std::uint64_t id, const std::function<bool(const ReplicaStatus&)>& wanted) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until)
    if (wanted(status(id))) return true;
  return false;
}

Result<bool> ReplicaGroupTest::change(std::uint64_t id, GroupChange change, std::uint64_t replica) {
  Answered<bool> answered;
  caf::anon_send(actor(id), ChangeGroup{change, ReplicaId{replica}, answered.reply()});
  return answered.get();
}

Result<bool> ReplicaGroupTest::change_when_possible(GroupChange wanted, std::uint64_t replica) {
  const auto until = std::chrono::steady_clock::now() + patience;
  Result<bool> done = false;
  while (std::chrono::steady_clock::now() < until) {
    done = change(leader(), wanted, replica);
    if (done) break;
    const auto code = done.error().code;
    if (code != Errc::busy && code != Errc::conflict && code != Errc::unavailable) break;
  }
  return done;
}

cluster::Command create_account(const std::string& login, std::size_t hash_bytes) {
  return {Timestamp{1'000'000}, cluster::CreateAccount{login, std::string(hash_bytes, 'h'), 1u << 20}};
}

}  // namespace cairn::actors::test
