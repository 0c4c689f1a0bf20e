#include "tests/simulation/cluster_client.hpp"

#include "cluster/commands.hpp"
#include "cluster/queries.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {
namespace {

constexpr std::uint32_t changes_per_page = 3;  // few, so that pages follow each other
constexpr Duration watch_retry{200'000};
constexpr Duration patience{22'000'000};

ShardId shard_of(const ClusterNode& node, AccountId account) {
  const auto* shard = node.map().shard_of(slot_of(account));
  return shard ? shard->id : ShardId{0};
}

}  // namespace

ClusterClient::ClusterClient(ClusterWorld& world, std::uint64_t number)
    : world_(world), number_(number), login_("user" + std::to_string(number)) {}

void ClusterClient::step() {
  if (world_.quiet() && account_.value != 0) return;
  begin();
}

void ClusterClient::write_once() {
  last_words_ = true;
  begin();
}

std::string ClusterClient::waits() const {
  static constexpr const char* words[] = {"an account", "a commit", "a linearizable read", "a read"};
  return std::string(words[static_cast<int>(kind_)]) + " of " + login_ + " through " + node_;
}

void ClusterClient::begin() {
  idle_ = false;
  ++operation_;
  auto& random = world_.random();
  const bool last = std::exchange(last_words_, false);
  if (node_.empty() || random.percent(5)) node_ = world_.any_node().name();
  if (account_.value == 0) {
    kind_ = Kind::create;
    return attempt();
  }
  file_ = random.below(files_.size());
  least_ = world_.checks().acknowledged(files_[file_].name);
  const auto draw = last ? 0 : random.below(100);
  kind_ = draw < 60 ? Kind::put : draw < 75 ? Kind::read : Kind::read_anywhere;
  if (kind_ == Kind::put) {
    ++sequence_;
    content_ = login_ + "/" + files_[file_].name.name + "/" + std::to_string(least_ + 1);
  }
  attempt();
}

ShardRequest ClusterClient::request() {
  const auto* node = world_.node(node_);
  const auto slot = account_.value ? slot_of(account_) : slot_of_login(login_);
  const auto* owner = node->map().shard_of(slot);
  shard_ = owner ? owner->id : ShardId{0};
  ShardRequest request{shard_, slot.value, {}, true, false, 0};
  if (kind_ == Kind::create) {
    request.body =
        cluster::encode(cluster::Command{node->wall(), cluster::CreateAccount{login_, "hash " + login_, 1u << 30}});
  } else if (kind_ == Kind::put) {
    cluster::CommitChanges commit;
    commit.account = account_;
    commit.request = {ClientId{number_}, sequence_};
    commit.acknowledged = sequence_ - 1;
    commit.device = "device";
    Content content;
    content.size = content_.size();
    content.inline_bytes = content_;
    const auto& file = files_[file_];
    commit.changes.push_back(PutFile{{}, file.name.name, EntryKind::file, file.base, content, {0644, 1}});
    request.body = cluster::encode(cluster::Command{node->wall(), std::move(commit)});
  } else {
    at_ = kind_ == Kind::read ? cluster::ReadAt{true, 0} : floor_.of(shard_);
    request.proposes = false;
    request.linearizable = at_.linearizable;
    request.floor = at_.floor;
    request.body = cluster::encode(
        cluster::Query(cluster::GetContent{account_, {root_entry, files_[file_].name.name}, VersionNumber{0}}));
  }
  return request;
}

void ClusterClient::attempt() {
  const auto number = ++attempt_;
  auto* node = world_.node(node_);
  const auto current = [this, number, operation = operation_] {
    return number == attempt_ && operation == operation_ && !idle_;
  };
  if (!node || !node->running() || node->paused()) {
    node_ = world_.any_node().name();
    return world_.after(Duration(20'000), [this, current] {
      if (current()) attempt();
    });
  }
  world_.after(patience, [this, current] {
    if (current()) retry();
  });
  node->run([this, node, current] {
    if (!current()) return;
    node->route(request(), [this, current](const ShardAnswer& answer) {
      if (current()) answered(answer);
    });
  });
}

void ClusterClient::retry() {
  if (world_.faulty(ClusterFault::retry_as_new) && kind_ == Kind::put) ++sequence_;
  node_ = world_.any_node().name();
  const auto number = ++attempt_;
  world_.after(Duration(5'000 + world_.random().below(20'000)), [this, number, operation = operation_] {
    if (number == attempt_ && operation == operation_ && !idle_) attempt();
  });
}

void ClusterClient::node_ended(const std::string& name) {
  if (!idle_ && node_ == name) retry();
}

void ClusterClient::answered(const ShardAnswer& answer) {
  if (answer.served != Served::done) return retry();
  switch (kind_) {
    case Kind::create:
      return take_account(answer);
    case Kind::put:
      return take_commit(answer);
    case Kind::read:
    case Kind::read_anywhere:
      return take_read(answer);
  }
}

void ClusterClient::finish() {
  idle_ = true;
  world_.after(Duration(2'000 + world_.random().below(40'000)), [this] { step(); });
}

void ClusterClient::take_account(const ShardAnswer& answer) {
  const auto result = cluster::decode_command_result(answer.result);
  const auto* made = result ? std::get_if<cluster::AccountCreated>(&*result) : nullptr;
  if (!made) {
    const auto* error = result ? std::get_if<Error>(&*result) : nullptr;
    if (error && is_retryable(error->code)) return retry();
    violated("an account is not made: " + (error ? error->message : "no answer that is one"));
  }
  account_ = made->account;
  for (int i = 0; i < 3; ++i) files_.push_back({{account_, "file" + std::to_string(i)}, {}});
  floor_.raise({true, shard_, answer.index});
  world_.wake_watch(account_);
  finish();
}

void ClusterClient::take_commit(const ShardAnswer& answer) {
  const auto result = cluster::decode_command_result(answer.result);
  const auto* done = result ? std::get_if<CommitResult>(&*result) : nullptr;
  if (!done) {
    const auto* error = result ? std::get_if<Error>(&*result) : nullptr;
    if (error && (is_retryable(error->code) || error->code == Errc::disk_full)) return retry();
    violated("a commit is refused: " + (error ? error->message : "no answer that is one"));
  }
  auto& file = files_[file_];
  const auto& one = done->results.at(0);
  if (one.error) violated("a change is refused: " + one.error->message);
  if (one.outcome != Outcome::created && one.outcome != Outcome::updated)
    violated("exactly once: " + content_ + " is answered with outcome " +
             std::to_string(static_cast<int>(one.outcome)));
  file.base = {one.entry, one.version};
  floor_.raise({true, shard_, answer.index});
  world_.checks().acknowledged(file.name, one.version.value, content_);
  finish();
}

void ClusterClient::take_read(const ShardAnswer& answer) {
  if (kind_ == Kind::read || at_.linearizable) {
    take_file(answer, least_, "a linearizable read");
  } else {
    world_.checks().reflects(answer.index, at_.floor);
    // The session's own writes are in what it has seen.
    take_file(answer, least_, "a replica");
  }
}

void ClusterClient::take_file(const ShardAnswer& answer, std::uint32_t least, const char* how) {
  auto result = cluster::decode_query_result(answer.result);
  if (!result) violated("an answer is not understood");
  const auto& name = files_[file_].name;
  if (const auto* found = std::get_if<cluster::ContentFound>(&*result)) {
    floor_.raise({true, shard_, answer.index});
    world_.checks().read(name, least, found->version.value, found->content.inline_bytes, how);
    return finish();
  }
  const auto* error = std::get_if<Error>(&*result);
  if (!error) violated("an answer is to something else");
  if (error->code != Errc::not_found) {
    if (is_retryable(error->code)) return retry();
    violated("a read is refused: " + error->message);
  }
  floor_.raise({true, shard_, answer.index});
  world_.checks().read(name, least, 0, "", how);
  finish();
}

// Watches.

ClusterWatch::ClusterWatch(ClusterWorld& world, AccountId account) : world_(world), account_(account) {}

void ClusterWatch::start() {
  const auto& node = world_.any_node();
  if (!node.running())
    return world_.after(Duration(20'000), [this] {
      if (node_.empty()) start();
    });
  node_ = node.name();
  subscribe();
}

std::string ClusterWatch::where() const {
  if (node_.empty()) return " on no node";
  return " on " + node_ + (busy_ ? ", which waits for a page," : stale_ ? ", which should ask for a page," : "");
}

void ClusterWatch::subscribe() {
  ++session_;
  busy_ = false;
  stale_ = true;
  grown_ = {};
  auto* node = world_.node(node_);
  node->run([this, node] {
    node->hub().subscribed();
    pump();
  });
}

/// It goes on at another node, from its cursor, with a new session there.
void ClusterWatch::node_ended(const std::string& name) {
  if (node_ != name) return;
  ++session_;
  node_.clear();
  floor_ = {};
  if (world_.faulty(ClusterFault::watch_keeps_cursor)) cursor_ = Cursor{world_.checks().journal(account_)};
  world_.after(Duration(world_.random().below(100'000)), [this] {
    if (node_.empty()) start();
  });
}

void ClusterWatch::grew(const Growth& growth) {
  grown_.raise({true, growth.shard, growth.index});
  if (growth.cursor > cursor_) stale_ = true;
  pump();
}

void ClusterWatch::pump() {
  auto* node = world_.node(node_);
  if (!node || !node->running() || busy_ || !stale_) return;
  busy_ = true;
  stale_ = false;
  const auto shard = shard_of(*node, account_);
  auto at = floor_.of(shard);
  if (!at.linearizable) at.floor = std::max(at.floor, grown_.of(shard).floor);
  if (world_.faulty(ClusterFault::watch_reads_old)) at = {false, 0};
  const auto query = cluster::Query(cluster::ReadChanges{account_, cursor_, changes_per_page});
  node->route({shard, slot_of(account_).value, cluster::encode(query), false, at.linearizable, at.floor},
              [this, shard, session = session_](const ShardAnswer& answer) {
                if (session != session_) return;
                if (answer.served == Served::done) floor_.raise({true, shard, answer.index});
                page(answer);
              });
}

void ClusterWatch::retry_soon() {
  auto* node = world_.node(node_);
  node->after(watch_retry, [this, session = session_] {
    if (session != session_) return;
    stale_ = true;
    pump();
  });
}

void ClusterWatch::page(const ShardAnswer& answer) {
  busy_ = false;
  auto result = answer.served == Served::done ? cluster::decode_query_result(answer.result)
                                              : Result<cluster::QueryResult>(Error{Errc::unavailable, ""});
  const auto* page = result ? std::get_if<ChangePage>(&*result) : nullptr;
  if (!page) {
    stale_ = true;
    return retry_soon();
  }
  world_.checks().watched(account_, cursor_, *page);
  if (page->events.empty()) return pump();
  cursor_ = page->cursor;
  stale_ = stale_ || page->more;
  pump();
}

}  // namespace cairn::simulation
