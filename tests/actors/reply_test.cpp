// Answers are given once, and never not at all.
#include "actors/reply.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace cairn::actors {
namespace {

struct Heard {
  std::vector<Result<int>> answers;
  Reply<int> reply() {
    return Reply<int>([this](Result<int> answer) { answers.push_back(std::move(answer)); });
  }
};

TEST(Reply, TheFirstAnswerCounts) {
  Heard heard;
  const auto reply = heard.reply();
  reply(1);
  reply(2);
  ASSERT_EQ(heard.answers.size(), 1u);
  EXPECT_EQ(*heard.answers[0], 1);
}

TEST(Reply, CopiesShareOneAnswer) {
  Heard heard;
  {
    const auto reply = heard.reply();
    const auto copy = reply;
    copy(1);
    reply(2);
  }
  ASSERT_EQ(heard.answers.size(), 1u);
}

TEST(Reply, DroppedWithoutAnAnswerIsUnavailable) {
  Heard heard;
  {
    auto reply = heard.reply();
    const auto copy = reply;
    reply = {};
    EXPECT_TRUE(heard.answers.empty()) << "a copy is left";
  }
  ASSERT_EQ(heard.answers.size(), 1u);
  EXPECT_EQ(heard.answers[0].error().code, Errc::unavailable);
}

TEST(Reply, OneThatNobodyWaitsForMayBeAnswered) {
  const Reply<int> reply;
  reply(1);
}

TEST(Reply, AnswersOnceWhenManyThreadsAnswer) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> answers = 0;
    {
      const Reply<int> reply([&](const Result<int>&) { ++answers; });
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) threads.emplace_back([reply, i] { reply(i); });
      for (auto& thread : threads) thread.join();
    }
    EXPECT_EQ(answers, 1);
  }
}

}  // namespace
}  // namespace cairn::actors
