// What wrong requests and wrong settings get, seen from outside: a code and a sentence, and nothing is changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/integration/local_tree.hpp"

namespace cairn::test {
namespace {

using testing::HasSubstr;

class Refusals : public testing::Test {
 protected:
  void SetUp() override { user_.sign_in(); }

  /// `cairn ARGUMENTS` ends with `code` and says `words`.
  void refused(const std::vector<std::string>& arguments, int code, const std::string& words) {
    const auto ran = user_.cairn(arguments);
    EXPECT_EQ(ran.code, code) << testing::PrintToString(arguments) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(words)) << testing::PrintToString(arguments);
  }

  TempDir folder_;
  Server server_{"accounts.default_quota = \"1MiB\""};
  User user_{server_};
};

TEST_F(Refusals, SignInsSayWhatIsWrongButNotWhichPart) {
  User stranger(server_, "ada");
  EXPECT_EQ(stranger.cairn({"ls"}).code, 5);
  for (const std::string login : {"ada", "nobody-of-that-name"}) {
    const auto ran =
        stranger.cairn({"login", login, "--server", server_.address(), "--password-stdin"}, 60s, "wrong one\n");
    EXPECT_EQ(ran.code, 5);
    EXPECT_THAT(ran.err, HasSubstr("wrong_credentials"));
  }
  const auto taken = stranger.cairn({"login", "ada", "--create", "--server", server_.address(), "--password-stdin"},
                                    60s, "wrong one\n");
  EXPECT_EQ(taken.code, 4) << taken.err;
  const auto shortest =
      stranger.cairn({"login", "bob", "--create", "--server", server_.address(), "--password-stdin"}, 60s, "short\n");
  EXPECT_EQ(shortest.code, 2) << shortest.err;
  const auto far = stranger.cairn({"login", "ada", "--server", "192.0.2.1:7420", "--password-stdin"}, 60s, "x\n");
  EXPECT_EQ(far.code, 2);
  EXPECT_THAT(far.err, HasSubstr("--tls"));
}

TEST_F(Refusals, NamesAndPaths) {
  refused({"mkdir", "/a/../b"}, 2, "..");
  refused({"mkdir", "/a//b"}, 2, "/a//b");
  refused({"mkdir", "/" + std::string(256, 'x')}, 2, "255");
  refused({"mkdir", "/bad\xff"}, 2, "\\xff");
  refused({"mkdir", "/no/such/parent"}, 3, "/no/such/parent");
  refused({"ls", "/nothing"}, 3, "/nothing");
  refused({"rm", "/"}, 2, "top of the drive");
  refused({"cat", "/"}, 4, "not_a_file");
  EXPECT_EQ(user_.ok({"ls", "-R"}), "");
}

TEST_F(Refusals, WhatIsInTheWay) {
  user_.ok({"mkdir", "-p", "/a/b"});
  user_.ok({"mkdir", "/c"});
  refused({"mkdir", "/a"}, 4, "already_exists");
  refused({"mv", "/a", "/a/b/inside"}, 4, "would_cycle");
  refused({"mv", "/c", "/a"}, 4, "already_exists");
  refused({"rm", "/a"}, 4, "-r");
  refused({"trash", "empty"}, 2, "--yes");
  EXPECT_EQ(user_.ok({"ls", "-R"}), "/a/\n/c/\n/a/b/\n");
}

TEST_F(Refusals, QuotaIsHeldToTheByte) {
  write_file(folder_ / "all", random_text(1, 1u << 20));
  write_file(folder_ / "over", random_text(2, (1u << 20) + 1));
  refused({"put", folder_ / "over", "/over"}, 6, "quota_exceeded");
  user_.ok({"put", folder_ / "all", "/all"});
  write_file(folder_ / "one", "1");
  refused({"put", folder_ / "one", "/one"}, 6, "quota_exceeded");
  EXPECT_EQ(user_.ok({"ls"}), "all\n");
}

TEST_F(Refusals, AServerThatIsNotThereIsSaidInTime) {
  server_.stop();
  const auto ran = user_.cairn({"ls", "--patience", "1"}, 30s);
  EXPECT_EQ(ran.code, 7) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr(server_.address()));
  const auto json = user_.cairn({"ls", "--patience", "1", "--json"}, 30s);
  EXPECT_EQ(json.code, 7);
  EXPECT_THAT(json.err, HasSubstr("{\"error\":{\"code\":"));
}

TEST_F(Refusals, GetNeverOverwritesUnasked) {
  write_file(folder_ / "f", "mine");
  user_.ok({"put", folder_ / "f", "/f"});
  write_file(folder_ / "other", "someone's own");
  const auto kept = user_.cairn({"get", "/f", folder_ / "other"});
  EXPECT_NE(kept.code, 0);
  EXPECT_EQ(read_file(folder_ / "other"), "someone's own");
  user_.ok({"get", "/f", folder_ / "other", "--replace"});
  EXPECT_EQ(read_file(folder_ / "other"), "mine");
}

/// `cairnd` with `text` as its configuration.
Ran check_config(const std::string& text) {
  const TempDir folder;
  write_file(folder / "c.toml", text);
  return run_process({{cairnd_path(), "--check-config", "--config", folder / "c.toml"}, {}, "", folder.path()});
}

TEST(CheckConfig, NamesFileLineAndKey) {
  const auto ran = check_config("[rpc]\nlisten = \"127.0.0.1:0\"\nthreds = 2\n[blocks]\nsealers = 0\nsegment = 5\n");
  EXPECT_NE(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("c.toml:3: rpc.threds"));
  EXPECT_THAT(ran.err, HasSubstr("rpc.threads"));
  EXPECT_THAT(ran.err, HasSubstr("c.toml:5: blocks.sealers"));
  EXPECT_THAT(ran.err, HasSubstr("c.toml:6: blocks.segment"));
}

TEST(CheckConfig, RefusesPlaintextForOthersAndHalfATlsPair) {
  EXPECT_THAT(check_config("rpc.listen = \"0.0.0.0:7420\"").err, HasSubstr("insecure"));
  EXPECT_THAT(check_config("rpc.tls_key = \"k.pem\"").err, HasSubstr("rpc.tls_certificate"));
  EXPECT_THAT(check_config("rpc.listen = ").err, HasSubstr("c.toml:1: "));
}

TEST(CheckConfig, TheReferenceIsGood) {
  const auto ran = run_process(
      {{cairnd_path(), "--check-config", "--config", CAIRN_SOURCE_DIR "/configs/reference.toml"}, {}, "", ""});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST(CheckConfig, AConfigurationThatIsNotThereIsAnError) {
  EXPECT_NE(run_process({{cairnd_path(), "--config", "/nonexistent/c.toml"}, {}, "", ""}).code, 0);
}

}  // namespace
}  // namespace cairn::test
