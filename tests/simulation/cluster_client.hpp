// Clients of a simulated cluster. A client makes an account, writes its files and reads them, through whichever node
// it is at, and sends each request again until it is answered. A watch follows an account's journal, as
// actors/watches.cpp. One thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/floor.hpp"
#include "protocol/model.hpp"
#include "tests/simulation/cluster_checks.hpp"
#include "tests/simulation/cluster_growth.hpp"
#include "tests/simulation/cluster_replica.hpp"

namespace cairn::simulation {

class ClusterWorld;

class ClusterClient {
 public:
  ClusterClient(ClusterWorld& world, std::uint64_t number);

  void step();
  /// Of a client that is idle and has an account: one more commit, although all is quiet.
  void write_once();
  void node_ended(const std::string& name);
  bool idle() const { return idle_; }
  /// What it waits for.
  std::string waits() const;
  AccountId account() const { return account_; }

 private:
  struct File {
    FileName name;
    Base base;
  };
  void begin();
  void attempt();
  void answered(const ShardAnswer& answer);
  void retry();
  void finish();
  ShardRequest request();
  void take_account(const ShardAnswer& answer);
  void take_commit(const ShardAnswer& answer);
  void take_read(const ShardAnswer& answer);
  void take_file(const ShardAnswer& answer, std::uint32_t least, const char* how);

  ClusterWorld& world_;
  std::uint64_t number_;
  std::string login_;
  std::string node_;
  AccountId account_;
  std::vector<File> files_;
  std::uint64_t sequence_ = 0;
  std::uint64_t operation_ = 0;
  std::uint64_t attempt_ = 0;
  bool idle_ = true;
  bool last_words_ = false;
  enum class Kind { create, put, read, read_anywhere } kind_ = Kind::create;
  std::size_t file_ = 0;
  std::string content_;
  std::uint32_t least_ = 0;
  cluster::Floor floor_;
  cluster::ReadAt at_;
  ShardId shard_;
};

class ClusterWatch {
 public:
  ClusterWatch(ClusterWorld& world, AccountId account);

  AccountId account() const { return account_; }
  const std::string& node() const { return node_; }
  Cursor cursor() const { return cursor_; }
  /// For a violation.
  std::string where() const;
  void grew(const Growth& growth);
  void node_ended(const std::string& name);
  void start();

 private:
  void subscribe();
  void pump();
  void page(const ShardAnswer& answer);
  void retry_soon();

  ClusterWorld& world_;
  AccountId account_;
  std::string node_;
  Cursor cursor_;
  bool busy_ = false;
  bool stale_ = true;
  std::uint64_t session_ = 0;
  cluster::Floor floor_;
  cluster::Floor grown_;
};

}  // namespace cairn::simulation
