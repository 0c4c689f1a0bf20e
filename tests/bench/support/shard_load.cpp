#include "tests/bench/support/shard_load.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>

#include "actors/clock.hpp"
#include "protocol/digest.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

using actors::Answer;
using actors::ReplicaActor;

// Gathers what the clients of one load have measured, and tells when all have ended.
class Gathering {
 public:
  explicit Gathering(unsigned clients) : running_(clients), started_(seconds_now()) {}

  void ended(const std::vector<double>& micros) {
    const std::lock_guard lock(mutex_);
    result_.micros.insert(result_.micros.end(), micros.begin(), micros.end());
    if (--running_ == 0) all_ended_.notify_all();
  }

  LoadResult wait() {
    std::unique_lock lock(mutex_);
    all_ended_.wait(lock, [this] { return running_ == 0; });
    result_.seconds = seconds_now() - started_;
    result_.answered = result_.micros.size();
    return std::move(result_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_ended_;
  unsigned running_;
  double started_;
  LoadResult result_;
};

void check(const cluster::CommandResult& result) {
  if (const auto* error = std::get_if<Error>(&result)) give_up("a proposal was refused: " + error->message);
  if (const auto* commit = std::get_if<CommitResult>(&result))
    for (const auto& change : commit->results)
      if (change.error) give_up("a change was refused: " + change.error->message);
}

void check(const cluster::QueryResult& result) {
  if (const auto* error = std::get_if<Error>(&result)) give_up("a query was refused: " + error->message);
}

struct Proposals {
  using Message = actors::Propose;
  using Next = NextProposal;
  static Message message(const cluster::Command& command) {
    return {{0, cluster::slot_of(command).value_or(Slot{}).value}, cluster::encode(command)};
  }
  static void check_answer(const Answer& answer) {
    check(need(cluster::decode_command_result(answer.result), "answer"));
  }
};

struct Queries {
  using Message = actors::Ask;
  using Next = NextQuery;
  static Message message(const cluster::Query& query) { return {{}, cluster::encode(query), false, 0}; }
  static void check_answer(const Answer& answer) { check(need(cluster::decode_query_result(answer.result), "answer")); }
};

template <class Kind>
struct Client : std::enable_shared_from_this<Client<Kind>> {
  caf::event_based_actor* self;
  actors::ShardActor replica;
  const typename Kind::Next* next;
  unsigned number;
  Gathering* gathering;
  std::vector<double> micros;

  void go_on() {
    const auto wanted = (*next)(number);
    if (!wanted) return gathering->ended(micros);
    const auto sent = seconds_now();
    self->request(replica, caf::infinite, Kind::message(*wanted))
        .then(
            [me = this->shared_from_this(), sent](const Answer& answer) {
              me->micros.push_back((seconds_now() - sent) * 1e6);
              Kind::check_answer(answer);
              me->go_on();
            },
            [](const caf::error&) { give_up("the replica ended"); });
  }
};

template <class Kind>
LoadResult load(actors::Node& node, unsigned clients, const typename Kind::Next& next) {
  const auto replica = node.routes()->shard();
  if (!replica) give_up("the node has no replica");
  Gathering gathering(clients);
  for (unsigned i = 0; i < clients; ++i)
    node.system().spawn([&, i](caf::event_based_actor* self) {
      auto client = std::make_shared<Client<Kind>>();
      client->self = self;
      client->replica = replica;
      client->next = &next;
      client->number = i;
      client->gathering = &gathering;
      client->go_on();
    });
  return gathering.wait();
}

}  // namespace

LoadResult propose_from(actors::Node& node, unsigned clients, const NextProposal& next) {
  return load<Proposals>(node, clients, next);
}

LoadResult ask_from(actors::Node& node, unsigned clients, const NextQuery& next) {
  return load<Queries>(node, clients, next);
}

cluster::CommandResult propose(actors::Node& node, const cluster::Command& command) {
  caf::scoped_actor self(node.system());
  cluster::CommandResult result;
  self->request(node.routes()->shard(), caf::infinite, actors::Propose{{}, cluster::encode(command)})
      .receive([&](const Answer& answer) { result = need(cluster::decode_command_result(answer.result), "answer"); },
               [](const caf::error&) { give_up("the replica ended"); });
  check(result);
  return result;
}

std::string file_name(std::uint32_t folder, std::uint32_t file) {
  char name[32];
  std::snprintf(name, sizeof name, "picture-%05u-%03u.jpg", folder, file);
  return name;
}

void Drives::make(actors::Node& node) {
  for (unsigned i = 0; i < drives_; ++i) {
    const cluster::CreateAccount account{"person-" + std::to_string(i), "no password", std::uint64_t{1} << 50};
    const auto made = propose(node, {actors::now(), account});
    accounts_.push_back(std::get<cluster::AccountCreated>(made).account);
  }
}

LoadResult Drives::fill(actors::Node& node, std::uint64_t files) {
  constexpr unsigned fillers = 8;
  const auto of_one_folder_each = std::uint64_t{files_per_folder} * drives_;
  const auto wanted = std::max(1u, static_cast<std::uint32_t>((files + of_one_folder_each / 2) / of_one_folder_each));
  // Each filler has drives of its own, and fills them in turn.
  std::vector<std::uint64_t> done(fillers, 0);
  const auto next = [&, first = folders_](unsigned filler) -> std::optional<cluster::Command> {
    const auto mine = (drives_ - filler + fillers - 1) / fillers;
    const auto turn = done[filler]++;
    if (mine == 0 || first + turn / mine >= wanted) return std::nullopt;
    return folder_of_files(filler + static_cast<unsigned>(turn % mine) * fillers,
                           first + static_cast<std::uint32_t>(turn / mine));
  };
  auto result = propose_from(node, std::min(fillers, drives_), next);
  folders_ = std::max(folders_, wanted);
  check_places(node);
  return result;
}

void Drives::check_places(actors::Node& node) const {
  const auto file = pick(~std::uint64_t{0});
  caf::scoped_actor self(node.system());
  const cluster::Query query = cluster::Stat{file.account, {file.id, ""}};
  self->request(node.routes()->shard(), caf::infinite, actors::Ask{{}, cluster::encode(query)})
      .receive(
          [&](const Answer& answer) {
            const auto result = need(cluster::decode_query_result(answer.result), "answer");
            const auto* entry = std::get_if<Entry>(&result);
            if (!entry || entry->name != file.name || entry->parent != file.folder)
              give_up("the files are not where they were expected");
          },
          [](const caf::error&) { give_up("the replica ended"); });
}

cluster::Command Drives::folder_of_files(unsigned drive, std::uint32_t folder) const {
  test::Random random(std::uint64_t{drive} << 32 | folder);
  const auto time = actors::now();
  const auto nanos = time.millis * 1'000'000;
  cluster::CommitChanges commit{accounts_[drive], {ClientId{1}, folder + 1}, folder, "filler", {}, {}};
  const auto folder_name = "folder-" + std::to_string(folder);
  commit.changes.push_back(MakeFolder{{}, folder_name, {0755, nanos}});
  for (std::uint32_t i = 0; i < files_per_folder; ++i) {
    PutFile put{{root_entry, folder_name}, file_name(folder, i), EntryKind::file, {}, {}, {}};
    put.attributes = {0644, nanos - static_cast<std::int64_t>(random.below(1ull << 50))};
    if (content_ == Content::one_block) {
      BlockRef block{{}, static_cast<std::uint32_t>(random.between(4'097, limits::max_block_bytes))};
      for (auto& byte : block.id.bytes) byte = static_cast<std::uint8_t>(random.next());
      put.content = {block.bytes, {}, {block}};
      commit.proven.push_back(block);
    }
    commit.changes.push_back(std::move(put));
  }
  return {time, std::move(commit)};
}

double Drives::mean_name_bytes() const { return static_cast<double>(file_name(0, 0).size()); }

Drives::File Drives::pick(std::uint64_t random) const {
  return pick_in(static_cast<unsigned>(random % drives_), random / drives_);
}

Drives::File Drives::pick_in(unsigned drive, std::uint64_t random) const {
  const auto file = static_cast<std::uint32_t>(random % files_per_folder);
  const auto folder = static_cast<std::uint32_t>(random / files_per_folder % folders_);
  const auto folder_id = 2 + std::uint64_t{folder} * (files_per_folder + 1);
  return {accounts_[drive], EntryId{folder_id + 1 + file}, EntryId{folder_id}, file_name(folder, file)};
}

std::string Drives::issue_token(actors::Node& node, unsigned drive, ClientId client) const {
  Token token{accounts_[drive], {}};
  const auto secret = random_bytes(token.secret.size());
  std::copy(secret.begin(), secret.end(), token.secret.begin());
  const auto hash = sha256({reinterpret_cast<const char*>(token.secret.data()), token.secret.size()});
  propose(node, {actors::now(), cluster::IssueToken{token.account, client, "bench", Bytes(hash.view())}});
  return token.text();
}

cluster::Command Drives::touch(unsigned drive, RequestId request, std::uint64_t random) const {
  const auto file = pick_in(drive, random);
  const auto time = actors::now();
  cluster::CommitChanges commit{file.account, request, request.sequence - 1, "bench", {}, {}};
  const auto nanos = time.millis * 1'000'000 + static_cast<std::int64_t>(random % 1'000'000);
  commit.changes.push_back(SetAttributes{{file.id, ""}, {0600, nanos}});
  return {time, std::move(commit)};
}

}  // namespace cairn::bench
