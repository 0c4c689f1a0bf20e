// The parts of the command line that need no server: exit codes, paths, the sign-in file, words for people.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include "apps/cairn/account_file.hpp"
#include "apps/cairn/commands.hpp"
#include "apps/cairn/exit_codes.hpp"
#include "apps/cairn/output.hpp"
#include "apps/cairn/paths.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::apps {
namespace {

using testing::HasSubstr;

TEST(ExitCodes, EveryErrorHasACodeThatHelpLists) {
  const auto help = exit_code_help();
  std::set<int> used;
  for (std::uint16_t number = 0; number < 1000; ++number) {
    const auto code = static_cast<Errc>(number);
    if (to_string(code) == "unknown") continue;
    const int exit = exit_code(code);
    EXPECT_NE(exit, exit_ok) << to_string(code);
    EXPECT_THAT(help, HasSubstr("\n  " + std::to_string(exit) + " ")) << to_string(code);
    used.insert(exit);
  }
  EXPECT_EQ(used.size(), 9u) << "every failure but `done in part` comes from some error";
}

TEST(ExitCodes, ScriptsCanTellWhatHappened) {
  EXPECT_EQ(exit_code(Errc::not_found), 3);
  EXPECT_EQ(exit_code(Errc::already_exists), 4);
  EXPECT_EQ(exit_code(Errc::conflict), 4);
  EXPECT_EQ(exit_code(Errc::wrong_credentials), 5);
  EXPECT_EQ(exit_code(Errc::revoked_token), 5);
  EXPECT_EQ(exit_code(Errc::quota_exceeded), 6);
  EXPECT_EQ(exit_code(Errc::disk_full), 6);
  EXPECT_EQ(exit_code(Errc::unavailable), 7);
  EXPECT_EQ(exit_code(Errc::corrupt), 8);
  EXPECT_EQ(exit_code(Errc::io), 9);
  EXPECT_EQ(exit_code(Errc::cancelled), 130);
}

TEST(Admin, MakesAnAuthorityAndIssuesAndSaysSo) {
  const test::TempDir folder;
  std::FILE* out = std::fopen((folder / "out").c_str(), "w");
  std::FILE* err = std::fopen((folder / "err").c_str(), "w");
  {
    Output output(out, err);
    output.set_json(true);
    Interrupts interrupts;
    Context context{output, interrupts, {}};
    EXPECT_EQ(run(InitAuthority{folder / "ca"}, context), exit_ok);
    EXPECT_EQ(run(InitAuthority{folder / "ca"}, context), exit_conflict);
    EXPECT_EQ(run(IssueCertificate{"n", folder / "ca", folder.path()}, context), exit_ok);
    EXPECT_EQ(run(IssueCertificate{"n", folder / "none", folder / "x"}, context), exit_not_found);
    EXPECT_EQ(run(IssueCertificate{"N", folder / "ca", folder.path()}, context), exit_usage);
    EXPECT_TRUE(output.finish());
  }
  std::fclose(out);
  std::fclose(err);
  std::ifstream lines(folder / "out");
  std::string made, issued, more;
  std::getline(lines, made);
  std::getline(lines, issued);
  EXPECT_EQ(Json::parse(made)["certificate"], folder / "ca/ca.pem");
  EXPECT_EQ(Json::parse(made)["cluster_id"].get<std::string>().size(), 32u);
  EXPECT_EQ(Json::parse(issued)["node"], "n");
  EXPECT_EQ(Json::parse(issued)["key"], folder / "n.key");
  EXPECT_FALSE(std::getline(lines, more));
}

TEST(Paths, RemoteOnesAreAbsoluteEitherWay) {
  EXPECT_EQ(clean_remote("a/b"), "/a/b");
  EXPECT_EQ(clean_remote("/a/b/"), "/a/b");
  EXPECT_EQ(clean_remote(""), "/");
  EXPECT_EQ(clean_remote("/"), "/");
  EXPECT_EQ(clean_remote("/a//"), "/a/") << "the server says what is wrong with that";
  EXPECT_EQ(remote_ref("/").path, "");
  EXPECT_EQ(remote_ref("x").path, "/x");
}

TEST(Paths, SplitIntoFolderAndName) {
  EXPECT_EQ(split_remote("/a/b/c")->folder, "/a/b");
  EXPECT_EQ(split_remote("/a/b/c")->name, "c");
  EXPECT_EQ(split_remote("c")->folder, "/");
  EXPECT_EQ(split_remote("/").error().code, Errc::invalid_argument);
}

TEST(Paths, ASlashBehindMeansInside) {
  EXPECT_EQ(*target_for("x/y.txt", "/a"), "/a");
  EXPECT_EQ(*target_for("x/y.txt", "/a/"), "/a/y.txt");
  EXPECT_EQ(*target_for("x/y/", "/"), "/y");
  EXPECT_EQ(*target_for("/a/b", "."), "./b");
  EXPECT_EQ(*target_for("/a/b", ""), "b");
  for (const auto* nameless : {"/", ".", "..", "a/.."})
    EXPECT_EQ(target_for(nameless, "/a/").error().code, Errc::invalid_argument) << nameless;
}

class AccountFile : public testing::Test {
 protected:
  test::TempDir folder_;
  std::string cairn_ = folder_ / "config/cairn";
  std::string file_ = cairn_ + "/account.json";

  void write(const std::string& text) {
    ASSERT_TRUE(write_account(cairn_, {}));
    std::ofstream(file_) << text;
  }
};

TEST_F(AccountFile, KeepsWhatItIsGivenForItsOwnerAlone) {
  EXPECT_EQ(read_account(cairn_).error().code, Errc::not_found);
  const ClientId client{0xfedcba9876543210};
  const Account account{"h:1", true, "ca.pem", "name", "ada \"x\" é", "desk", client, "cairn1_t"};
  ASSERT_TRUE(write_account(cairn_, account));
  const auto back = read_account(cairn_);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->server, account.server);
  EXPECT_EQ(back->tls, true);
  EXPECT_EQ(back->tls_ca, account.tls_ca);
  EXPECT_EQ(back->tls_name, account.tls_name);
  EXPECT_EQ(back->login, account.login);
  EXPECT_EQ(back->device, account.device);
  EXPECT_EQ(back->client, account.client);
  EXPECT_EQ(back->token, account.token);
  struct stat info {};
  ASSERT_EQ(stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(cairn_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(AccountFile, IsRefusedIfOthersMayReadIt) {
  ASSERT_TRUE(write_account(cairn_, {}));
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  const auto account = read_account(cairn_);
  ASSERT_FALSE(account);
  EXPECT_EQ(account.error().code, Errc::permission_denied);
  EXPECT_THAT(account.error().message, HasSubstr("chmod 600 " + file_));
}

TEST_F(AccountFile, DamageIsNamedAndNeverFollowed) {
  for (const std::string text : {"", "{", "[]", "{}", "5", "{\"server\": 5}",
                                 R"({"server":"","tls":false,"tls_ca":"","tls_name":"","login":"","device":"",)"
                                 R"("client":"xyz","token":""})"}) {
    write(text);
    const auto account = read_account(cairn_);
    ASSERT_FALSE(account) << text;
    EXPECT_EQ(account.error().code, Errc::bad_config) << text;
    EXPECT_THAT(account.error().message, HasSubstr(file_));
  }
}

TEST_F(AccountFile, LivesWhereXdgSays) {
  setenv("XDG_CONFIG_HOME", "/somewhere", 1);
  EXPECT_EQ(*config_folder(), "/somewhere/cairn");
  setenv("XDG_CONFIG_HOME", "relative", 1);
  setenv("HOME", "/home/ada", 1);
  EXPECT_EQ(*config_folder(), "/home/ada/.config/cairn");
  unsetenv("XDG_CONFIG_HOME");
  unsetenv("HOME");
  EXPECT_EQ(config_folder().error().code, Errc::bad_config);
}

TEST(Words, AreForPeople) {
  EXPECT_EQ(size_words(0), "0 B");
  EXPECT_EQ(size_words(999), "999 B");
  EXPECT_EQ(size_words(1'500), "1.5 kB");
  EXPECT_EQ(size_words(999'999), "1.0 MB");
  EXPECT_EQ(size_words(UINT64_MAX), "18.4 EB");
  EXPECT_EQ(count_words(0), "0");
  EXPECT_EQ(count_words(1'234'567), "1,234,567");
  EXPECT_EQ(seconds_words(0.44), "0.4 s");
  EXPECT_EQ(seconds_words(200), "3 min 20 s");
  EXPECT_EQ(seconds_words(7'260), "2 h 1 min");
  EXPECT_EQ(mode_words(EntryKind::folder, 0755), "drwxr-xr-x");
  EXPECT_EQ(mode_words(EntryKind::file, 06644), "-rwSr-Sr--");
  EXPECT_EQ(mode_words(EntryKind::folder, 01777), "drwxrwxrwt");
  EXPECT_EQ(time_iso(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(time_iso(-1), "1969-12-31T23:59:59.999999999Z");
}

/// What an Output writes to its two streams.
struct Written {
  std::string out;
  std::string err;
};
Written written(bool json, const std::function<void(Output&)>& use) {
  char* out_text = nullptr;
  char* err_text = nullptr;
  std::size_t out_size = 0;
  std::size_t err_size = 0;
  std::FILE* out = open_memstream(&out_text, &out_size);
  std::FILE* err = open_memstream(&err_text, &err_size);
  {
    Output output(out, err);
    output.set_json(json);
    use(output);
    EXPECT_TRUE(output.finish());
  }
  std::fclose(out);
  std::fclose(err);
  Written result{{out_text, out_size}, {err_text, err_size}};
  std::free(out_text);
  std::free(err_text);
  return result;
}

TEST(Output, TextOrJsonButNeverBoth) {
  const auto use = [](Output& output) {
    output.line("a line");
    output.value({{"n", 1}});
    output.progress("half way");
    output.error({Errc::not_found, "no such entry"}, "/a\nb");
  };
  const auto text = written(false, use);
  EXPECT_EQ(text.out, "a line\n");
  EXPECT_EQ(text.err, "cairn: /a\\x0ab: no such entry (not_found)\n") << "no control characters, no progress";
  const auto json = written(true, use);
  EXPECT_EQ(json.out, "{\"n\":1}\n");
  EXPECT_EQ(json.err, "{\"error\":{\"code\":\"not_found\",\"message\":\"no such entry\",\"path\":\"/a\\nb\"}}\n");
}

TEST(Output, ErrorsNameThePathOnce) {
  const auto text = written(false, [](Output& output) {
    output.error({Errc::not_found, "no entry /a/b"}, "/a/b");
    output.error({Errc::unavailable, "no server at h:1"});
  });
  EXPECT_EQ(text.err, "cairn: no entry /a/b (not_found)\ncairn: no server at h:1 (unavailable)\n");
}

TEST(Output, JsonTakesBytesThatAreNoText) {
  const auto json = written(true, [](Output& output) { output.value({{"path", "\xff"}}); });
  EXPECT_EQ(json.out, "{\"path\":\"\xef\xbf\xbd\"}\n");
}

TEST(Output, EntriesHaveEveryField) {
  Entry entry;
  entry.id = EntryId{7};
  entry.kind = EntryKind::symlink;
  entry.size = 3;
  entry.attributes = {0777, 1'500'000'000};
  entry.version = VersionNumber{2};
  EXPECT_EQ(entry_json(entry, "/x").dump(),
            R"({"path":"/x","id":7,"kind":"symlink","size":3,"mode":"0777",)"
            R"("modified":"1970-01-01T00:00:01.500000000Z","version":2,)"
            R"("committed":"1970-01-01T00:00:00.000000000Z"})");
}

}  // namespace
}  // namespace cairn::apps
