// Sequences are given out once, whoever dies.
#include "client/request_ids.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

namespace cairn::client {
namespace {

class RequestIdsTest : public testing::Test {
 protected:
  RequestIdsTest() {
    char name[] = "/tmp/cairn-ids-XXXXXX";
    folder_ = std::string(mkdtemp(name)) + "/ids";
  }
  ~RequestIdsTest() override { std::filesystem::remove_all(std::filesystem::path(folder_).parent_path()); }
  std::unique_ptr<RequestIds> open() {
    auto ids = open_request_ids(folder_, ClientId{5});
    EXPECT_TRUE(ids.ok()) << (ids.ok() ? "" : ids.error().message);
    return ids.ok() ? std::move(*ids) : nullptr;
  }
  std::string folder_;
};

TEST_F(RequestIdsTest, GoOnAfterReopening) {
  EXPECT_EQ(open()->begin()->sequence, 1u);
  EXPECT_EQ(open()->begin()->sequence, 2u);
  auto ids = open();
  for (std::uint64_t i = 3; i < 3'000; ++i) {
    const auto ticket = ids->begin();
    EXPECT_EQ(ticket->sequence, i);
    EXPECT_EQ(ticket->acknowledged, i - 1);
    ids->end(i);
  }
}

TEST_F(RequestIdsTest, AcknowledgeOnlyWhatNobodyWaitsFor) {
  auto one = open();
  auto two = open();
  const auto first = one->begin();
  EXPECT_EQ(two->begin()->acknowledged, first->sequence - 1);
  const auto third = two->begin();
  EXPECT_EQ(third->acknowledged, 0u);
  two->end(third->sequence);
  one->end(first->sequence);
  EXPECT_EQ(one->begin()->acknowledged, 1u) << "the second still waits";
  two.reset();
  EXPECT_EQ(one->begin()->acknowledged, 3u);
}

TEST_F(RequestIdsTest, AProcessThatDiesHoldsNobodyUp) {
  auto mine = open();
  const auto child = fork();
  if (child == 0) {
    auto ids = open_request_ids(folder_, ClientId{5});
    _exit(ids.ok() && (*ids)->begin()->sequence == 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  const auto ticket = mine->begin();
  EXPECT_EQ(ticket->sequence, 2u);
  EXPECT_EQ(ticket->acknowledged, 1u);
}

TEST_F(RequestIdsTest, ProcessesNeverShareANumber) {
  int results[2];
  ASSERT_EQ(pipe(results), 0);
  constexpr int processes = 4;
  constexpr int each = 500;
  for (int p = 0; p < processes; ++p) {
    if (fork() != 0) continue;
    auto ids = open_request_ids(folder_, ClientId{5});
    for (int i = 0; ids.ok() && i < each; ++i) {
      const auto ticket = (*ids)->begin();
      if (write(results[1], &ticket->sequence, 8) != 8) _exit(1);
      (*ids)->end(ticket->sequence);
    }
    _exit(0);
  }
  close(results[1]);
  std::set<std::uint64_t> seen;
  std::uint64_t sequence = 0;
  while (read(results[0], &sequence, 8) == 8) EXPECT_TRUE(seen.insert(sequence).second) << sequence;
  close(results[0]);
  for (int p = 0; p < processes; ++p) wait(nullptr);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(processes * each));
}

TEST_F(RequestIdsTest, AfterARestartOfTheMachineNumbersAreSkippedNotReused) {
  std::uint64_t last = 0;
  {
    auto ids = open();
    for (int i = 0; i < 10; ++i) last = ids->begin()->sequence;
  }
  // The file as a stopped machine may leave it: counted by another boot, `next` not written back.
  const auto path = folder_ + "/0000000000000005.requests";
  FILE* file = fopen(path.c_str(), "r+");
  ASSERT_NE(file, nullptr);
  const std::uint64_t stale_next = 2;
  fseek(file, 16, SEEK_SET);
  fwrite(&stale_next, 8, 1, file);
  fseek(file, 32, SEEK_SET);
  fwrite("other-boot", 10, 1, file);
  fclose(file);
  EXPECT_GT(open()->begin()->sequence, last);
}

TEST_F(RequestIdsTest, AForeignFileIsRefused) {
  open();
  std::filesystem::copy(folder_ + "/0000000000000005.requests", folder_ + "/0000000000000006.requests");
  EXPECT_EQ(open_request_ids(folder_, ClientId{6}).error().code, Errc::corrupt);
}

TEST_F(RequestIdsTest, AFolderThatCannotBeMadeIsAnError) {
  EXPECT_EQ(open_request_ids("/proc/no/such", ClientId{5}).error().code, Errc::io);
}

}  // namespace
}  // namespace cairn::client
