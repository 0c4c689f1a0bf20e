// What befalls a node's disk, clock, identity and port in a cluster: the others go on, nothing acknowledged is lost,
// nothing happens twice, and an operator finds it among the events.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "protocol/certificates.hpp"
#include "tests/integration/faulty_cluster.hpp"
#include "tests/links/raw_peer.hpp"
#include "tests/support/await.hpp"
#include "tests/support/random.hpp"
#include "tests/support/small_disk.hpp"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

using ClusterDamage = FaultyCluster;

constexpr const char* fake_clock = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Changes a byte within each place where a file holds `text`; how many.
unsigned damage(const fs::path& path, const std::string& text) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  unsigned places = 0;
  for (std::size_t at = 0; (at = bytes.find(text, at)) != bytes.npos; at += text.size(), ++places)
    bytes[at + text.size() / 2] ^= 0x55;
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return places;
}

/// The same in every file below `folder` that has `part` in its path.
unsigned damage_below(const std::string& folder, const std::string& part, const std::string& text) {
  unsigned places = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder))
    if (file.is_regular_file() && file.path().string().find(part, folder.size()) != std::string::npos)
      places += damage(file.path(), text);
  return places;
}

TEST_F(ClusterDamage, ADiskThatIsFullHoldsUpNobodyElse) {
  const SmallDisk disk(420);
  if (!disk.mounted()) GTEST_SKIP() << "mounting is not allowed here";
  ClusterOptions options;
  options.settings = "metadata.reserve = \"8MiB\"";
  options.data["node-3"] = disk.path() + "/data";
  begin(options);
  const auto ballast = disk.path() + "/ballast";
  std::ofstream(ballast) << std::string(fs::space(disk.path()).available - (2u << 20), 'b');
  expect_progress("while a disk is full");
  cluster->await_event("disk");
  fs::remove(ballast);
  cluster->await_full();
  expect_progress("with room again");
  EXPECT_TRUE(cluster->running("node-3"));
  expect_whole();
}

TEST_F(ClusterDamage, RotInRowsIsFoundAndRebuiltFromTheOthers) {
  ClusterOptions options;
  options.settings = "metadata.checkpoint_interval = \"200ms\"";
  begin(options);
  // Reads stay with a replica that depends on the account: among so many, some read from each.
  LoadOptions many;
  many.accounts = 24;
  many.writers = 1;
  many.readers = 1;
  many.prefix = "crowd";
  SteadyLoad crowd(*cluster, many);
  const auto follower = cluster->follower();
  const auto rows_at = [&](std::uint64_t AdminStatus::Replica::*index) {
    const auto status = cluster->status(follower);
    if (!status) return std::uint64_t{0};
    for (const auto& replica : status->replicas)
      if (replica.shard == first_shard) return replica.*index;
    return std::uint64_t{0};
  };
  const auto some_each = std::size_t{10} * many.accounts;
  ASSERT_TRUE(comes_true(ProcessCluster::patience, [&] { return crowd.writes().count() > some_each; }));
  const auto made = rows_at(&AdminStatus::Replica::applied);
  ASSERT_GT(made, 0u);
  ASSERT_TRUE(
      comes_true(ProcessCluster::patience, [&] { return rows_at(&AdminStatus::Replica::checkpointed) >= made; }));
  cluster->kill(follower);
  ASSERT_GT(damage_below(cluster->data(follower), "data.mdb", "file-0-"), 0u);
  cluster->start(follower);
  cluster->await_event("withdrew");
  expect_progress("beside a replica with rot");
  cluster->await_full(std::chrono::seconds(60));
  crowd.stop();
  EXPECT_THAT(crowd.wrong(), testing::IsEmpty());
  expect_whole();
}

TEST_F(ClusterDamage, RotInTheLogIsFoundAndRebuiltFromTheOthers) {
  begin();
  const auto follower = cluster->follower();
  cluster->kill(follower);
  ASSERT_GT(damage_below(cluster->data(follower), "log", "file-0-1"), 0u);
  cluster->launch(follower);
  cluster->await_event("withdrew");
  expect_progress("beside a replica with rot");
  cluster->await_full(std::chrono::seconds(60));
  expect_whole();
}

TEST_F(ClusterDamage, ANodeOfAnotherAuthorityIsRefused) {
  begin();
  const TempDir elsewhere;
  cluster->add("node-4");
  ASSERT_TRUE(make_cluster_authority(elsewhere.path()).ok());
  ASSERT_TRUE(issue_node_certificate("node-4", elsewhere.path(), elsewhere.path()).ok());
  cluster->set_certificates("node-4", elsewhere.path());
  cluster->launch("node-4");
  cluster->await_event("refused");
  expect_progress("beside a stranger");
  const auto known = cluster->directory();
  ASSERT_TRUE(known);
  for (const auto& member : known->nodes) EXPECT_NE(member.name, "node-4");
  expect_whole();
}

TEST_F(ClusterDamage, AnotherClusterIdAndAnotherVersionAreRefused) {
  begin();
  cluster->add("node-4");
  const auto authority = cluster->certificates() + "/ca.pem";
  const auto tls = actors::TlsContext::open("node-4", cluster->certificates() + "/node-4.pem",
                                            cluster->certificates() + "/node-4.key", authority);
  const auto id = cluster_id_of(authority);
  ASSERT_TRUE(tls && id);
  const auto refusal = [&](const actors::LinkHello& hello) {
    actors::test::RawPeer peer(cluster->link_address(cluster->follower()), *tls);
    EXPECT_TRUE(peer.shake_hands());
    peer.say(actors::ChunkKind::hello, 0, encode(hello));
    const auto heard = peer.hear();
    EXPECT_TRUE(heard && heard->first == actors::ChunkKind::refuse);
    return heard ? actors::decode_refusal(heard->second).message : heard.error().message;
  };
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const auto clock = static_cast<std::uint64_t>(now.count());
  EXPECT_THAT(refusal({actors::link_version, "another", "node-4", 1, clock}), HasSubstr("another cluster"));
  cluster->await_event("another cluster");
  EXPECT_THAT(refusal({actors::link_version + 1, *id, "node-4", 1, clock}), HasSubstr("versions differ"));
  cluster->await_event("versions differ");
  expect_progress("beside strangers");
  expect_whole();
}

TEST_F(ClusterDamage, DataOfAnotherClusterIsNotTakenUp) {
  begin();
  const auto follower = cluster->follower();
  cluster->kill(follower);
  const TempDir elsewhere;
  ASSERT_TRUE(make_cluster_authority(elsewhere.path()).ok());
  ASSERT_TRUE(issue_node_certificate(follower, elsewhere.path(), elsewhere.path()).ok());
  cluster->set_certificates(follower, elsewhere.path());
  cluster->launch(follower);
  EXPECT_EQ(cluster->wait_for_end(follower, ProcessCluster::patience), 4);
  EXPECT_THAT(cluster->log(follower), HasSubstr("cluster"));
  cluster->await_event("refused");
  expect_progress("without it");
  cluster->set_certificates(follower, cluster->certificates());
  cluster->start(follower);
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterDamage, ACopyOfADataDirectoryIsNotStarted) {
  begin();
  const auto follower = cluster->follower();
  cluster->kill(follower);
  const TempDir elsewhere;
  fs::remove(cluster->data(follower) + "/admin.socket");  // which cannot be copied
  fs::copy(cluster->data(follower), elsewhere / "copy", fs::copy_options::recursive);
  cluster->start(follower);
  cluster->add_copy("copy", follower, elsewhere / "copy");
  cluster->launch("copy");
  EXPECT_EQ(cluster->wait_for_end("copy", ProcessCluster::patience), 4);
  EXPECT_THAT(cluster->log("copy"), HasSubstr("copy"));
  cluster->await_event("is a copy of the data of " + follower);
  expect_progress("beside a copy");
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterDamage, AnEmptyNodeOfAnOldNameReturnsUnderNewReplicas) {
  begin();
  cluster->set_setting("dead-after-millis", "1000");
  cluster->set_setting("grace-millis", "0");
  const auto follower = cluster->follower();
  cluster->kill(follower);
  fs::remove_all(cluster->data(follower));
  cluster->await_event("node " + follower + " is dead");
  cluster->launch(follower);
  cluster->await_event("it registered with other data");
  cluster->await_full(std::chrono::seconds(60));
  expect_progress("with an empty node filled again");
  expect_whole();
}

TEST_F(ClusterDamage, AClockThatIsAnHourOffIsNoticedAndHarmless) {
  if (!fs::exists(fake_clock)) GTEST_SKIP() << fake_clock << " is missing (package libfaketime)";
  begin();
  const auto node = cluster->leader();
  cluster->kill(node);
  cluster->set_environment(node, {{"LD_PRELOAD", fake_clock},
                                  {"FAKETIME", "+3600s"},
                                  {"DONT_FAKE_MONOTONIC", "1"},
                                  {"ASAN_OPTIONS", "verify_asan_link_order=0"}});  // AddressSanitizer wants to be first
  cluster->start(node);
  cluster->await_full();
  cluster->await_event("the clock of");
  // It has to lead once with its clock.
  for (const auto& other : cluster->others({node})) {
    cluster->kill(other);
    cluster->start(other);
    cluster->await_full();
  }
  expect_progress("with a clock an hour off");
  expect_whole();
}

TEST_F(ClusterDamage, RandomBytesAtTheLinkPortsAreRefused) {
  begin();
  Random random(1);
  for (int turn = 0; turn < 60; ++turn) {
    const auto names = cluster->founders();
    const auto address = cluster->link_address(names[random.below(names.size())]);
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof target), 0);
    const auto bytes = random.bytes(random.between(1, 20'000));
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    close(fd);
  }
  expect_progress("after random bytes");
  cluster->await_event("refused");
  for (const auto& name : cluster->founders()) EXPECT_TRUE(cluster->running(name)) << cluster->log(name);
  cluster->await_full();
  expect_whole();
}

}  // namespace
}  // namespace cairn::test
