// Work posted to a KJ thread runs there, once, in order, and before the loop ends.
#include "protocol/kj_loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace cairn {
namespace {

TEST(KjLoop, RunsPostedWorkInOrderOnItsThread) {
  KjLoop loop("test");
  std::vector<int> order;
  std::promise<bool> last;
  for (int i = 0; i < 1'000; ++i) loop.post([&order, i](kj::AsyncIoContext&) { order.push_back(i); });
  loop.post([&](kj::AsyncIoContext&) { last.set_value(loop.on_loop_thread()); });
  EXPECT_TRUE(last.get_future().get());
  EXPECT_FALSE(loop.on_loop_thread());
  ASSERT_EQ(order.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(KjLoop, EndsAfterWhatWasPosted) {
  std::atomic<int> ran = 0;
  for (int round = 0; round < 50; ++round) {
    KjLoop loop("test");
    for (int i = 0; i < 20; ++i) loop.post([&](kj::AsyncIoContext&) { ++ran; });
  }
  EXPECT_EQ(ran, 1'000);
}

TEST(KjLoop, WorkMayPostMoreAndStillEnd) {
  std::atomic<int> ran = 0;
  {
    KjLoop loop("test");
    loop.post([&](kj::AsyncIoContext&) {
      ++ran;
      loop.post([&](kj::AsyncIoContext&) { ++ran; });
    });
  }
  EXPECT_EQ(ran, 2);
}

TEST(KjLoop, RunWaitsForThePromise) {
  KjLoop loop("test");
  bool later = false;
  loop.run([&](kj::AsyncIoContext& io) {
    return io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).then([&] { later = true; });
  });
  EXPECT_TRUE(later);
}

TEST(KjLoop, RunThrowsWhatTheWorkThrew) {
  KjLoop loop("test");
  EXPECT_THROW(loop.run([](kj::AsyncIoContext&) -> kj::Promise<void> {
    return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::str("later"));
  }),
               kj::Exception);
  EXPECT_THROW(loop.run([](kj::AsyncIoContext&) -> kj::Promise<void> {
    kj::throwFatalException(kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::str("at once")));
  }),
               kj::Exception);
  loop.run([](kj::AsyncIoContext&) -> kj::Promise<void> { return kj::READY_NOW; });
}

TEST(KjLoop, ManyThreadsMayPost) {
  std::atomic<int> ran = 0;
  {
    KjLoop loop("test");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          if (i % 100 == 0)
            loop.run([&](kj::AsyncIoContext&) -> kj::Promise<void> { ++ran; return kj::READY_NOW; });
          else
            loop.post([&](kj::AsyncIoContext&) { ++ran; });
        }
      });
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(ran, 2'000);
}

}  // namespace
}  // namespace cairn
