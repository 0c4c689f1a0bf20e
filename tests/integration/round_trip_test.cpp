// One server, one user, real processes: what is put comes back as it was, and only what is new travels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/integration/local_tree.hpp"

namespace cairn::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

/// The JSON values of `text`, one a line.
std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> values;
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1) {
    values.push_back(Json::parse(text.substr(at, end - at), nullptr, false));
    EXPECT_FALSE(values.back().is_discarded()) << text.substr(at, end - at);
  }
  return values;
}

/// The one JSON value of `text`; null, and the test fails, if there is not exactly one.
Json json_line(const std::string& text) {
  const auto values = json_lines(text);
  EXPECT_EQ(values.size(), 1u) << text;
  return values.empty() ? Json() : values.front();
}

class RoundTrip : public testing::Test {
 protected:
  void SetUp() override { user_.sign_in(); }

  TempDir folder_;
  Server server_;
  User user_{server_};
};

TEST_F(RoundTrip, OddTreesComeBackAsTheyWere) {
  const auto sent = folder_ / "sent";
  const auto back = folder_ / "back";
  make_odd_tree(sent);
  const auto report = json_line(user_.ok({"put", sent, "/odd", "--json"}));
  EXPECT_EQ(report["failed"].size(), 0u);
  EXPECT_EQ(report["skipped"].size(), 0u) << report["skipped"].dump();
  user_.ok({"get", "/odd", back});
  EXPECT_EQ(difference(sent, back), "");

  EXPECT_EQ(json_lines(user_.ok({"ls", "-R", "--json", "/odd"})).size(), count_entries(sent));
  const auto usage = json_line(user_.ok({"df", "--json"}));
  EXPECT_EQ(usage["entries"], count_entries(sent) + 1);
}

TEST_F(RoundTrip, ASecondPutSendsNothingAndStoresNothingTwice) {
  const auto sent = folder_ / "sent";
  make_random_tree(sent, 1, 300, 2);
  user_.ok({"put", sent, "/tree"});
  const auto before = json_line(user_.ok({"df", "--json"}));
  // With --checksum small files, which lie in their rows, are shown to the server again; no block is.
  for (const std::string how : {"--quiet", "--checksum"}) {
    const auto report = json_line(user_.ok({"put", sent, "/tree", "--json", how}));
    if (how == "--quiet") {
      EXPECT_EQ(report["bytes_moved"], 0);
    }
    EXPECT_EQ(report["blocks_moved"], 0) << how;
    EXPECT_EQ(report["files"], 0) << how;
  }
  // Elsewhere in the drive the content is known too.
  const auto copy = json_line(user_.ok({"put", sent, "/copy", "--json"}));
  EXPECT_EQ(copy["blocks_moved"], 0);
  EXPECT_EQ(json_line(user_.ok({"df", "--json"}))["entries"], 2 * before["entries"].get<int>());
}

TEST_F(RoundTrip, AByteInsertedInFrontSendsAboutOneBlock) {
  const auto file = folder_ / "large";
  const auto content = random_text(7, 48u << 20);
  write_file(file, content);
  user_.ok({"put", file, "/large"});
  write_file(file, "!" + content);
  const auto report = json_line(user_.ok({"put", file, "/large", "--json"}));
  EXPECT_LE(report["blocks_moved"], 2);
  EXPECT_LE(report["bytes_moved"], 8u << 20);
  user_.ok({"get", "/large", folder_ / "back"});
  EXPECT_EQ(difference(file, folder_ / "back"), "");
  user_.ok({"get", "/large", folder_ / "first", "--version", "1"});
  EXPECT_TRUE(read_file(folder_ / "first") == content);
}

TEST_F(RoundTrip, CatGivesBytesAndRanges) {
  const auto content = random_text(3, 3'000'000);
  write_file(folder_ / "f", content);
  user_.ok({"put", folder_ / "f", "/f"});
  EXPECT_TRUE(user_.ok({"cat", "/f"}) == content);
  EXPECT_TRUE(user_.ok({"cat", "/f", "--offset", "1500000", "--bytes", "70000"}) == content.substr(1'500'000, 70'000));
  EXPECT_TRUE(user_.ok({"cat", "/f", "--offset", "2999990"}) == content.substr(2'999'990));
}

TEST_F(RoundTrip, VersionsTrashAndMoves) {
  const auto file = folder_ / "f";
  for (const std::string text : {"one", "two, longer", "three"}) {
    write_file(file, text);
    user_.ok({"put", file, "/f"});
  }
  const auto history = json_lines(user_.ok({"history", "/f", "--json"}));
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0]["version"], 3);
  EXPECT_EQ(user_.ok({"cat", "/f", "--version", "2"}), "two, longer");
  user_.ok({"revert", "/f", "1"});
  EXPECT_EQ(user_.ok({"cat", "/f"}), "one");
  EXPECT_EQ(json_lines(user_.ok({"history", "/f", "--json"})).size(), 4u);

  user_.ok({"mkdir", "-p", "/x/y/z"});
  user_.ok({"mkdir", "-p", "/x/y/z"});
  user_.ok({"mv", "/f", "/x/y/"});
  EXPECT_EQ(user_.ok({"ls", "/x/y"}), "f\nz/\n");
  user_.ok({"rm", "-r", "/x"});
  EXPECT_EQ(user_.ok({"ls"}), "");
  EXPECT_THAT(user_.ok({"trash"}), HasSubstr("x/"));
  user_.ok({"restore", "x"});
  EXPECT_EQ(user_.ok({"cat", "/x/y/f"}), "one");
  user_.ok({"rm", "/x/y/f"});
  user_.ok({"trash", "purge", "f"});
  EXPECT_EQ(user_.ok({"trash"}), "");
  EXPECT_EQ(user_.cairn({"restore", "f"}).code, 3);
}

TEST_F(RoundTrip, WatchShowsChangesAsTheyHappen) {
  user_.ok({"mkdir", "/before"});
  const auto watching = user_.begin({"watch", "--json", "--from", "0"});
  ASSERT_TRUE(watching->wait_for_line("{\"cursor\":1,", 30s)) << watching->err();
  user_.ok({"mkdir", "/during"});
  const auto line = watching->wait_for_line("{\"cursor\":2,", 30s);
  ASSERT_TRUE(line) << watching->err();
  EXPECT_THAT(*line, HasSubstr("\"path\":\"/during\""));
  watching->signal(SIGINT);
  EXPECT_EQ(watching->wait(30s), 130);
  EXPECT_THAT(watching->err(), HasSubstr("interrupted"));
}

TEST_F(RoundTrip, DevicesPasswordsAndSignIns) {
  User other(server_);
  other.sign_in();
  EXPECT_EQ(json_lines(user_.ok({"devices", "--json"})).size(), 2u);
  const auto changed =
      user_.cairn({"passwd", "--password-stdin"}, 60s, std::string(User::password) + "\nnew password\n");
  EXPECT_EQ(changed.code, 0) << changed.err;
  user_.ok({"ls"});
  const auto revoked = other.cairn({"ls"});
  EXPECT_EQ(revoked.code, 5) << "another device is signed out by a new password";
  EXPECT_THAT(revoked.err, HasSubstr("revoked_token"));
  user_.ok({"logout"});
  EXPECT_EQ(user_.cairn({"ls"}).code, 5);
}

TEST_F(RoundTrip, AnOrderlyStopLosesNothingAndStartsAgain) {
  const auto sent = folder_ / "sent";
  make_random_tree(sent, 5, 100, 1);
  user_.ok({"put", sent, "/tree"});
  EXPECT_EQ(server_.stop(), 0);
  server_.start();
  user_.ok({"get", "/tree", folder_ / "back"});
  EXPECT_EQ(difference(sent, folder_ / "back"), "");
}

TEST_F(RoundTrip, OneUserNeverSeesAnother) {
  write_file(folder_ / "f", "secret of ada");
  user_.ok({"put", folder_ / "f", "/f"});
  User eve(server_, "eve");
  eve.sign_in();
  EXPECT_EQ(eve.ok({"ls", "-R"}), "");
  EXPECT_EQ(eve.cairn({"cat", "/f"}).code, 3);
  EXPECT_THAT(eve.ok({"df", "--json"}), HasSubstr("\"used_bytes\":0"));
}

TEST_F(RoundTrip, InterruptedPutsStopCleanlyAndGoOn) {
  const auto sent = folder_ / "sent";
  make_random_tree(sent, 9, 2'000, 6);
  const auto putting = user_.begin({"put", sent, "/tree", "--json"});
  // Once something has arrived it is in the middle of its work.
  for (int round = 0; round < 3'000 && putting->running(); ++round)
    if (user_.cairn({"ls", "/tree"}).code == 0) break;
  putting->signal(SIGINT);
  const auto code = putting->wait(60s);
  ASSERT_TRUE(code);
  EXPECT_TRUE(*code == 130 || *code == 0) << *code << putting->err();
  user_.ok({"put", sent, "/tree"});
  user_.ok({"get", "/tree", folder_ / "back"});
  EXPECT_EQ(difference(sent, folder_ / "back"), "");
}

}  // namespace
}  // namespace cairn::test
