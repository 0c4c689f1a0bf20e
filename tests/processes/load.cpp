#include "tests/processes/load.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "client/connection.hpp"
#include "protocol/limits.hpp"
#include "tests/support/await.hpp"

namespace cairn::test {
namespace {

constexpr const char* password = "correct horse";
constexpr std::chrono::milliseconds watch_turn{200};
constexpr std::size_t most_wrong = 20;

template <class T>
T need(Result<T> result, const std::string& what) {
  if (!result.ok()) throw std::runtime_error(what + ": " + result.error().message);
  return std::move(*result);
}

/// What a file of this name holds.
Bytes content_of(const std::string& name, std::size_t bytes) {
  Bytes content = name;
  content.resize(std::max(bytes, name.size()), '.');
  return content;
}

}  // namespace

struct SteadyLoad::Account {
  std::string login;
  std::unique_ptr<client::Connection> connection;
  std::unique_ptr<client::Drive> drive;
  std::mutex mutex;                  // guards what follows
  std::map<std::string, bool> sent;  // names, and whether they were acknowledged
  std::vector<std::string> errors;
  std::vector<std::uint64_t> told;  // cursors, by the watch
  Acks reads;
  std::vector<std::thread> threads;
  std::thread watcher;
  std::atomic<bool> watch_on = true;

  void wrong(const std::string& what) {
    const std::lock_guard lock(mutex);
    if (errors.size() < most_wrong) errors.push_back(login + ": " + what);
  }
};

SteadyLoad::SteadyLoad(const ProcessCluster& cluster, LoadOptions options) : options_(std::move(options)) {
  for (unsigned i = 0; i < options_.accounts; ++i) {
    auto account = std::make_unique<Account>();
    account->login = options_.prefix + "-" + std::to_string(i + 1);
    client::ConnectionOptions connection;
    connection.no_progress_deadline = options_.deadline;
    account->connection = cluster.connect(connection);
    const auto signed_up = account->connection->sign_up(account->login, password);
    if (!signed_up.ok() && signed_up.error().code != Errc::already_exists)
      throw std::runtime_error("sign up: " + signed_up.error().message);
    const auto client = client::random_client_id();
    need(account->connection->sign_in(account->login, password, "load", client), "sign in");
    account->drive = account->connection->drive(client::make_request_ids(client));
    accounts_.push_back(std::move(account));
  }
  for (auto& account : accounts_) {
    auto* one = account.get();
    for (unsigned i = 0; i < options_.writers; ++i) one->threads.emplace_back([this, one, i] { write(*one, i); });
    for (unsigned i = 0; i < options_.readers; ++i) one->threads.emplace_back([this, one] { read(*one); });
    one->watcher = std::thread([this, one] { watch(*one); });
  }
}

SteadyLoad::~SteadyLoad() { stop(); }

void SteadyLoad::write(Account& account, unsigned writer) {
  for (unsigned turn = 0; !stopping_; ++turn) {
    const auto name = "file-" + std::to_string(writer) + "-" + std::to_string(turn);
    PutFile put{{}, name, EntryKind::file, {}, {}, {0644, 1'700'000'000'000'000'000}};
    put.content.inline_bytes = content_of(name, options_.bytes);
    put.content.size = put.content.inline_bytes.size();
    {
      const std::lock_guard lock(account.mutex);
      account.sent[name] = false;
    }
    const auto result = account.drive->commit_one(std::move(put));
    if (!result.ok()) {
      // Such a commit may have taken effect; that the client gave up is not the cluster's word.
      if (result.error().code == Errc::already_exists) account.wrong(name + " was there before it was made");
      if (!stopping_) account.wrong(name + ": " + result.error().message);
      continue;
    }
    writes_.add();
    {
      const std::lock_guard lock(account.mutex);
      account.sent[name] = true;
    }
    if (result->outcome != Outcome::created || !result->name.empty())
      account.wrong(name + " was not made but came to " + std::to_string(static_cast<int>(result->outcome)));
    std::this_thread::sleep_for(options_.pause);
  }
}

void SteadyLoad::read(Account& account) {
  while (!stopping_) {
    const auto page = account.drive->list_page({}, "", 10);
    if (page.ok()) {
      reads_.add();
      account.reads.add();
    } else if (!stopping_) {
      account.wrong("a read failed: " + page.error().message);
    }
    std::this_thread::sleep_for(options_.pause);
  }
}

void SteadyLoad::watch(Account& account) {
  const auto watch = account.drive->watch({});
  while (account.watch_on) {
    const auto page = watch->next(watch_turn);
    if (!page.ok()) return account.wrong("the watch ended: " + page.error().message);
    if (!*page) continue;
    const std::lock_guard lock(account.mutex);
    for (const auto& event : (*page)->events) account.told.push_back(event.cursor.value);
  }
}

const Acks& SteadyLoad::reads_of(unsigned account) const { return accounts_.at(account)->reads; }

bool SteadyLoad::writes_after(double moment, std::chrono::milliseconds bound) const {
  return comes_true(bound, [&] { return writes_.any_since(moment); });
}

bool SteadyLoad::reads_after(double moment, std::chrono::milliseconds bound) const {
  return comes_true(bound, [&] {
    return std::ranges::all_of(accounts_, [&](const auto& account) { return account->reads.any_since(moment); });
  });
}

void SteadyLoad::stop() {
  if (stopped_) return;
  stopped_ = true;
  stopping_ = true;
  for (auto& account : accounts_)
    for (auto& thread : account->threads) thread.join();
  for (auto& account : accounts_) {
    // The watch is to hear of everything first.
    const auto end = account->drive->usage();
    const auto told_all = [&] {
      const std::lock_guard lock(account->mutex);
      return !end.ok() || account->told.size() >= end->entries;
    };
    comes_true(ProcessCluster::patience, told_all);
    account->watch_on = false;
    account->watcher.join();
  }
}

std::vector<std::string> SteadyLoad::wrong() {
  std::vector<std::string> wrong;
  for (auto& account : accounts_) {
    wrong.insert(wrong.end(), account->errors.begin(), account->errors.end());
    check(*account, wrong);
  }
  if (wrong.size() > most_wrong) wrong.resize(most_wrong);
  return wrong;
}

void SteadyLoad::check(Account& account, std::vector<std::string>& wrong) const {
  const auto say = [&](const std::string& what) { wrong.push_back(account.login + ": " + what); };
  const auto listed = account.drive->list({});
  if (!listed.ok()) return say("cannot be listed: " + listed.error().message);
  std::map<std::string, const Entry*> there;
  for (const auto& entry : *listed) {
    there[entry.name] = &entry;
    if (!account.sent.contains(entry.name)) say(entry.name + " was never sent");
    if (entry.version.value != 1) say(entry.name + " was stored " + std::to_string(entry.version.value) + " times");
  }
  for (const auto& [name, acknowledged] : account.sent)
    if (acknowledged && !there.contains(name)) say(name + " was acknowledged and is lost");
  // The content of a spread of them.
  const auto step = std::max<std::size_t>(1, listed->size() / 50);
  for (std::size_t i = 0; i < listed->size(); i += step) {
    const auto& entry = (*listed)[i];
    const auto read = account.drive->read({entry.id, ""}, {}, 0, limits::max_read_bytes);
    if (!read.ok() || read->bytes != content_of(entry.name, options_.bytes)) say(entry.name + " holds something else");
  }
  // Each commit is one step of the journal, so a change that was applied twice, or missed, shows.
  if (account.told.size() != listed->size())
    say("the watch told " + std::to_string(account.told.size()) + " changes of " + std::to_string(listed->size()));
  for (std::size_t i = 0; i < account.told.size(); ++i) {
    if (account.told[i] == i + 1) continue;
    say("the watch told change " + std::to_string(account.told[i]) + " as number " + std::to_string(i + 1));
    break;
  }
}

}  // namespace cairn::test
