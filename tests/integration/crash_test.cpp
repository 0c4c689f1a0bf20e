// kill -9 of the server at any moment of an upload: the client finishes by itself, all compares equal, nothing is
// stored twice and nothing is lost. The moments come from a seed, which a failure shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/integration/local_tree.hpp"

namespace cairn::test {
namespace {

using Json = nlohmann::json;

/// A line of `df --json`.
Json usage(User& user) { return Json::parse(user.ok({"df", "--json"}), nullptr, false); }

class Kill : public testing::TestWithParam<std::uint64_t> {
 protected:
  /// Uploads a tree to a new server that is killed at random moments, at most `longest_ms` apart, and compares.
  /// Answers how often it was killed.
  static int upload_under_kills(Random& random, std::int64_t longest_ms);
};

int Kill::upload_under_kills(Random& random, std::int64_t longest_ms) {
  TempDir folder;
  const auto sent = folder / "sent";
  make_random_tree(sent, GetParam(), 1'200, 5);
  Server server;
  User user(server);
  user.sign_in();

  int kills = 0;
  const auto putting = user.begin({"put", sent, "/tree", "--json", "--patience", "120"});
  // Bounded: with every kill less is left to do.
  while (putting->running() && kills < 25) {
    // wait() with a short bound is the random moment: the upload may also end in it.
    if (putting->wait(std::chrono::milliseconds(random.between(5, longest_ms)))) break;
    server.kill();
    ++kills;
    server.start();
    if (HasFatalFailure()) return kills;
  }
  const auto code = putting->wait(240s);
  EXPECT_EQ(code, 0) << "after " << kills << " kills\n" << putting->out() << putting->err() << server.log();
  if (code != 0) return kills;

  user.ok({"get", "/tree", folder / "back"}, 120s);
  EXPECT_EQ(difference(sent, folder / "back"), "");
  // Every entry once, in its first version, and charged once.
  const auto held = usage(user);
  EXPECT_EQ(held["entries"], count_entries(sent) + 1);
  std::size_t second_versions = 0;
  const auto listing = user.ok({"ls", "-R", "--json", "/tree"});
  for (std::size_t at = 0; (at = listing.find("\"version\":", at)) != listing.npos; ++at)
    second_versions += listing[at + 10] > '1' || std::isdigit(static_cast<unsigned char>(listing[at + 11]));
  EXPECT_EQ(second_versions, 0u);
  const auto again = Json::parse(user.ok({"put", sent, "/tree", "--json", "--checksum"}, 120s), nullptr, false);
  EXPECT_EQ(again["blocks_moved"], 0);
  EXPECT_EQ(again["files"], 0);
  EXPECT_EQ(usage(user), held);
  return kills;
}

TEST_P(Kill, AnUploadSurvivesItsServer) {
  Random random(GetParam());
  // An upload may be over before its first kill: on a fast machine the moments must come sooner.
  for (std::int64_t longest_ms = 250; longest_ms > 5; longest_ms /= 2)
    if (upload_under_kills(random, longest_ms) > 0 || HasFailure()) return;
  FAIL() << "every upload was over before its first kill";
}

INSTANTIATE_TEST_SUITE_P(Seeds, Kill, testing::Values(1, 2, 3));

TEST(Crash, WhatWasAcknowledgedIsThereAfterEveryKill) {
  Server server;
  User user(server);
  user.sign_in();
  TempDir folder;
  std::string expected;
  for (int round = 0; round < 6; ++round) {
    const auto name = "file" + std::to_string(round);
    write_file(folder / name, random_text(static_cast<std::uint64_t>(round), 700'000));
    user.ok({"put", folder / name, "/" + name});
    server.kill();
    server.start();
    expected += name + "\n";
    EXPECT_EQ(user.ok({"ls"}), expected);
    EXPECT_TRUE(user.ok({"cat", "/" + name}) == read_file(folder / name));
  }
}

}  // namespace
}  // namespace cairn::test
