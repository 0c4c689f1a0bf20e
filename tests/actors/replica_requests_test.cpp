// Who waits for a replica's answer.
#include "actors/replica_requests.hpp"

#include <gtest/gtest.h>

#include "tests/actors/asker.hpp"

namespace cairn::actors::test {
namespace {

class WaitingProposalsTest : public testing::Test {
 protected:
  // The answer to it has the number of the proposal, counted from 1.
  void add(std::uint64_t index, std::uint64_t term) {
    waiting_.add({index, term, nullptr, Responder(RemoteAsker(asker_, ++added_))});
  }
  // The entry that is committed there: true if a proposal became it.
  bool take(std::uint64_t index, std::uint64_t term) {
    TurnsAnswers answers;
    auto taken = waiting_.take({index, term, 0, {}}, cluster::ReplicaId{2}, answers);
    if (taken) answers.put(taken->answer, Served::done);
    return taken.has_value();
  }
  Served served(std::uint64_t number) { return asker_->answers(1).at(number).served; }

  std::shared_ptr<TestAsker> asker_ = std::make_shared<TestAsker>();
  WaitingProposals waiting_;
  std::uint64_t added_ = 0;
};

TEST_F(WaitingProposalsTest, EachIsTakenByItsEntry) {
  add(5, 1);
  add(6, 1);
  EXPECT_FALSE(take(4, 1));
  EXPECT_TRUE(take(5, 1));
  EXPECT_FALSE(take(6, 2)) << "another leader's";
  EXPECT_TRUE(waiting_.empty());
  EXPECT_EQ(served(1), Served::done);
  EXPECT_EQ(served(2), Served::not_leader);
}

// A replica that loses its office and is back in it at once, before it gave up what its log has lost.
TEST_F(WaitingProposalsTest, WhoLostThePlaceOfANewOneIsAnswered) {
  for (std::uint64_t index = 13; index <= 20; ++index) add(index, 1);
  add(15, 3);
  for (std::uint64_t number = 3; number <= 8; ++number) EXPECT_EQ(served(number), Served::unknown) << number;
  EXPECT_FALSE(take(13, 2));
  EXPECT_FALSE(take(14, 3));
  EXPECT_TRUE(take(15, 3));
  EXPECT_TRUE(waiting_.empty());
  EXPECT_EQ(served(2), Served::not_leader);
  EXPECT_EQ(served(9), Served::done);
}

}  // namespace
}  // namespace cairn::actors::test
