// The order of a lone replica's commands, and what is durable of it.
#include "cluster/replica_log.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"

namespace cairn::cluster {
namespace {

std::vector<std::uint64_t> indexes(const std::vector<storage::LogEntry>& entries) {
  std::vector<std::uint64_t> out;
  for (const auto& entry : entries) out.push_back(entry.index);
  return out;
}

TEST(ReplicaLog, GivesOneBatchAtATimeInOrder) {
  ReplicaLog log(3, 10, 10);
  EXPECT_TRUE(log.ready().empty());
  EXPECT_EQ(*log.propose("a"), 11u);
  EXPECT_EQ(*log.propose("b"), 12u);
  const auto batch = log.ready();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0],
            (storage::LogEntry{11, 3, static_cast<std::uint8_t>(EntryKindInLog::command), "a"}));
  EXPECT_EQ(*log.propose("c"), 13u);
  EXPECT_TRUE(log.ready().empty());
  EXPECT_EQ(log.in_flight(), 3u);
  EXPECT_EQ(log.stored(), batch);
  EXPECT_EQ(indexes(log.ready()), std::vector<std::uint64_t>{13});
  EXPECT_EQ(indexes(log.stored()), std::vector<std::uint64_t>{13});
  EXPECT_EQ(log.in_flight(), 0u);
  EXPECT_EQ(log.last_index(), 13u);
}

TEST(ReplicaLog, RefusedBatchTakesAllThatFollowsWithIt) {
  ReplicaLog log(1, 0, 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log.propose("x").ok());
  ASSERT_EQ(log.ready().size(), 3u);
  ASSERT_TRUE(log.propose("y").ok());
  EXPECT_EQ(log.refused(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(log.in_flight(), 0u);
  EXPECT_EQ(*log.propose("z"), 1u);
  EXPECT_EQ(indexes(log.ready()), std::vector<std::uint64_t>{1});
}

TEST(ReplicaLog, ProposalsInFlightAreBounded) {
  ReplicaLog log(1, 0, 0);
  for (std::size_t i = 0; i < limits::max_proposals_in_flight; ++i)
    ASSERT_TRUE(log.propose("").ok());
  EXPECT_EQ(log.propose("").error().code, Errc::busy);
  EXPECT_EQ(log.ready().size(), limits::max_batch_entries);
  EXPECT_EQ(log.propose("").error().code, Errc::busy);
  EXPECT_EQ(log.stored().size(), limits::max_batch_entries);
  EXPECT_EQ(*log.propose(""), limits::max_proposals_in_flight + 1);
}

TEST(ReplicaLog, BytesInFlightAreBounded) {
  ReplicaLog log(1, 0, 0);
  const Bytes large(limits::max_batch_bytes, 'x');
  const auto most = limits::max_proposal_bytes_in_flight / limits::max_batch_bytes;
  for (std::size_t i = 0; i < most; ++i) ASSERT_TRUE(log.propose(large).ok());
  EXPECT_EQ(log.propose("x").error().code, Errc::busy);
  for (std::size_t i = 0; i < most; ++i) {
    EXPECT_EQ(log.ready().size(), 1u);
    log.stored();
  }
  EXPECT_TRUE(log.ready().empty());
  EXPECT_TRUE(log.propose("x").ok());
}

TEST(ReplicaLog, EntryLargerThanABatchGoesAlone) {
  ReplicaLog log(1, 0, 0);
  ASSERT_TRUE(log.propose(Bytes(limits::max_batch_bytes * 2, 'x')).ok());
  ASSERT_TRUE(log.propose("y").ok());
  EXPECT_EQ(indexes(log.ready()), std::vector<std::uint64_t>{1});
}

TEST(ReplicaLogDeathTest, StoredWithoutABatchIsABug) {
  ReplicaLog log(1, 0, 0);
  EXPECT_DEATH(log.stored(), "");
}

}  // namespace
}  // namespace cairn::cluster
