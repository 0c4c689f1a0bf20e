// Token buckets: bursts, refilling, and a table that stays bounded.
#include "cluster/rate_limit.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;

TEST(RateLimit, GivesTheBurstAndThenOneAnInterval) {
  RateLimit limit(3, 1'000ms, 10);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.take("a", 0ms));
  EXPECT_FALSE(limit.take("a", 0ms));
  EXPECT_FALSE(limit.take("a", 999ms));
  EXPECT_TRUE(limit.take("a", 1'000ms));
  EXPECT_FALSE(limit.take("a", 1'001ms));
}

TEST(RateLimit, TriesThatWereRefusedDoNotPushTheNextOneAway) {
  RateLimit limit(1, 1'000ms, 10);
  EXPECT_TRUE(limit.take("a", 0ms));
  for (int at = 100; at < 1'000; at += 100) EXPECT_FALSE(limit.take("a", std::chrono::milliseconds{at}));
  EXPECT_TRUE(limit.take("a", 1'001ms));
}

TEST(RateLimit, KeysDoNotShare) {
  RateLimit limit(1, 1'000ms, 10);
  EXPECT_TRUE(limit.take("a", 0ms));
  EXPECT_TRUE(limit.take("b", 0ms));
  EXPECT_FALSE(limit.take("a", 0ms));
}

TEST(RateLimit, ALongPauseNeverGivesMoreThanTheBurst) {
  RateLimit limit(2, 1'000ms, 10);
  EXPECT_TRUE(limit.take("a", 0ms));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(limit.take("a", 1'000'000ms));
  EXPECT_FALSE(limit.take("a", 1'000'000ms));
}

TEST(RateLimit, WhatWasGivenBackCanBeTakenAgainButNotBeyondTheBurst) {
  RateLimit limit(1, 1'000ms, 10);
  EXPECT_TRUE(limit.take("a", 0ms));
  limit.give_back("a");
  limit.give_back("a");
  EXPECT_TRUE(limit.take("a", 0ms));
  EXPECT_FALSE(limit.take("a", 0ms));
  limit.give_back("unknown");
}

TEST(RateLimit, AFullTableForgetsFullBucketsAndRefusesNewcomersOtherwise) {
  RateLimit limit(1, 1'000ms, 2);
  EXPECT_TRUE(limit.take("a", 0ms));
  EXPECT_TRUE(limit.take("b", 500ms));
  EXPECT_FALSE(limit.take("c", 900ms)) << "both keys are under pressure: the table stays bounded";
  EXPECT_TRUE(limit.take("c", 1'000ms)) << "a is full again and is forgotten";
  EXPECT_FALSE(limit.take("b", 1'000ms)) << "b was not forgotten";
}

}  // namespace
}  // namespace cairn::cluster
