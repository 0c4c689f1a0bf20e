// Reading arguments: every command with its options, and what wrong use gets.
#include "apps/cairn/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CommandLine::Read read(const std::vector<std::string>& arguments) { return CommandLine().read(arguments); }

/// The command of `arguments`, which must be a C.
template <class C>
C command(const std::vector<std::string>& arguments) {
  const auto result = read(arguments);
  if (!result.command || !std::holds_alternative<C>(*result.command)) {
    ADD_FAILURE() << testing::PrintToString(arguments) << " is not read as that command: " << result.text;
    return {};
  }
  return std::get<C>(*result.command);
}

TEST(CommandLine, AccountCommands) {
  const auto login = command<Login>({"login", "ada", "--create", "--device", "desk", "--password-stdin"});
  EXPECT_EQ(login.login, "ada");
  EXPECT_EQ(login.device, "desk");
  EXPECT_TRUE(login.create && login.password_stdin);
  EXPECT_FALSE(login.tls || login.insecure);
  const auto tls = command<Login>({"login", "--tls", "--tls-ca", "ca.pem", "--tls-name", "files"});
  EXPECT_EQ(tls.login, "");
  EXPECT_EQ(tls.tls_ca, "ca.pem");
  EXPECT_EQ(tls.tls_name, "files");
  command<Logout>({"logout"});
  EXPECT_TRUE(command<Passwd>({"passwd", "--password-stdin"}).password_stdin);
  command<ListDevices>({"devices"});
  EXPECT_EQ(command<RevokeDevice>({"devices", "revoke", "ff"}).id, "ff");
  command<Df>({"df"});
}

TEST(CommandLine, EntryCommands) {
  const auto ls = command<Ls>({"ls", "-lR", "/a", "b"});
  EXPECT_TRUE(ls.details && ls.recursive);
  EXPECT_THAT(ls.paths, ElementsAre("/a", "b"));
  EXPECT_TRUE(command<Ls>({"ls"}).paths.empty());
  EXPECT_THAT(command<Stat>({"stat", "/a"}).paths, ElementsAre("/a"));
  EXPECT_TRUE(command<Mkdir>({"mkdir", "-p", "/a/b"}).parents);
  EXPECT_THAT(command<Mv>({"mv", "/a", "/b", "/c/"}).paths, ElementsAre("/a", "/b", "/c/"));
  const auto rm = command<Rm>({"rm", "-rf", "/a"});
  EXPECT_TRUE(rm.recursive && rm.force);
  EXPECT_THAT(command<Rm>({"rm", "--", "-odd"}).paths, ElementsAre("-odd"));
}

TEST(CommandLine, PastCommands) {
  EXPECT_EQ(command<History>({"history", "/a"}).path, "/a");
  const auto revert = command<Revert>({"revert", "/a", "3"});
  EXPECT_EQ(revert.path, "/a");
  EXPECT_EQ(revert.version, 3u);
  EXPECT_THAT(command<Restore>({"restore", "a", "12"}).names, ElementsAre("a", "12"));
  command<ListTrash>({"trash"});
  EXPECT_FALSE(command<EmptyTrash>({"trash", "empty"}).yes);
  EXPECT_TRUE(command<EmptyTrash>({"trash", "empty", "--yes"}).yes);
  EXPECT_THAT(command<Purge>({"trash", "purge", "a"}).names, ElementsAre("a"));
}

TEST(CommandLine, TransferCommands) {
  const auto put = command<Put>({"put", "-c", "a", "b", "/c/"});
  EXPECT_TRUE(put.checksum);
  EXPECT_THAT(put.paths, ElementsAre("a", "b", "/c/"));
  const auto get = command<Get>({"get", "/a", "here", "--version", "7", "--replace"});
  EXPECT_EQ(get.version, 7u);
  EXPECT_TRUE(get.replace);
  const auto cat = command<Cat>({"cat", "/a", "--offset", "10", "--bytes", "5"});
  EXPECT_EQ(cat.offset, 10u);
  EXPECT_EQ(cat.bytes, 5u);
  const auto sync = command<Sync>({"sync", "here", "--watch"});
  EXPECT_EQ(sync.local, "here");
  EXPECT_EQ(sync.remote, "/");
  EXPECT_TRUE(sync.watch);
  EXPECT_EQ(command<Watch>({"watch", "--from", "5"}).from, "5");
}

TEST(CommandLine, AdminCommands) {
  EXPECT_EQ(command<InitAuthority>({"admin", "init-ca"}).folder, "cairn-ca");
  EXPECT_EQ(command<InitAuthority>({"admin", "init-ca", "there"}).folder, "there");
  const auto issue = command<IssueCertificate>({"admin", "issue", "node-1"});
  EXPECT_EQ(issue.node, "node-1");
  EXPECT_EQ(issue.authority, "cairn-ca");
  EXPECT_EQ(issue.out, ".");
  const auto elsewhere = command<IssueCertificate>({"admin", "issue", "--ca", "x", "node-2", "--out", "y"});
  EXPECT_EQ(elsewhere.node, "node-2");
  EXPECT_EQ(elsewhere.authority, "x");
  EXPECT_EQ(elsewhere.out, "y");
  EXPECT_TRUE(read({"admin", "init-ca", "--json"}).globals.json);
  EXPECT_THAT(read({"admin", "issue", "--help"}).text, HasSubstr("cairn admin issue node-1"));
}

TEST(CommandLine, GlobalOptionsStandBeforeAndBehindTheCommand) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--json", "--server", "[::1]:1", "ls", "-l"},
        {"ls", "--json", "-l", "--server", "[::1]:1"},
        {"ls", "-l", "--server=[::1]:1", "--json"}}) {
    const auto result = read(arguments);
    ASSERT_TRUE(result.command) << result.text;
    EXPECT_TRUE(result.globals.json);
    EXPECT_EQ(result.globals.server, "[::1]:1");
    EXPECT_TRUE(std::get<Ls>(*result.command).details);
  }
  EXPECT_TRUE(read({"trash", "empty", "--json"}).globals.json);
  EXPECT_EQ(read({"ls", "--patience", "5"}).globals.patience, std::chrono::seconds(5));
  EXPECT_EQ(read({"ls"}).globals.patience, std::chrono::seconds(60));
}

TEST(CommandLine, WrongUseIsCodeTwoAndSaysWhy) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{}, "subcommand"},
      {{"frobnicate"}, "frobnicate"},
      {{"ls", "--nope"}, "--nope"},
      {{"stat"}, "paths"},
      {{"mv", "/a"}, "paths"},
      {{"revert", "/a"}, "version"},
      {{"revert", "/a", "x"}, "x"},
      {{"revert", "/a", "-1"}, "-1"},
      {{"cat", "/a", "--offset", "-5"}, "-5"},
      {{"cat", "/a", "/b"}, "/b"},
      {{"login", "--password", "secret"}, "--password"},
      {{"trash", "nope"}, "nope"},
      {{"devices", "revoke"}, "id"},
      {{"completion", "tcsh"}, "tcsh"},
      {{"ls", "--patience", "0"}, "patience"},
      {{"ls", "--server"}, "--server"},
      {{"admin"}, "subcommand"},
      {{"admin", "issue"}, "node"},
      {{"admin", "init-ca", "a", "b"}, "b"},
      {{"admin", "drain"}, "node"},
      {{"admin", "transfer", "two", "node-1"}, "two"},
      {{"admin", "transfer", "2"}, "node"},
      {{"admin", "restart", "router"}, "--socket"},
      {{"cluster"}, "subcommand"},
      {{"cluster", "up"}, "configs"},
      {{"cluster", "up", "x", "--wait", "0"}, "--wait"},
      {{"cluster", "down", "x"}, "x"},
      {{"cluster", "restart"}, "subcommand"},
  };
  for (const auto& [arguments, word] : cases) {
    const auto result = read(arguments);
    EXPECT_FALSE(result.command) << testing::PrintToString(arguments);
    EXPECT_EQ(result.exit, exit_usage) << testing::PrintToString(arguments);
    EXPECT_THAT(result.text, HasSubstr(word)) << testing::PrintToString(arguments);
  }
}

TEST(CommandLine, HelpListsEveryCommandExitCodeAndAnExample) {
  const auto help = read({"--help"});
  EXPECT_EQ(help.exit, 0);
  EXPECT_FALSE(help.command);
  for (const std::string word : {"login",     "logout",         "passwd", "devices", "df",      "ls",
                                 "stat",      "mkdir",          "mv",     "rm",      "history", "revert",
                                 "restore",   "trash",          "put",    "get",     "cat",     "sync",
                                 "watch",     "completion",     "admin",  "cluster", "--json",  "--server",
                                 "Examples:", "XDG_CONFIG_HOME"})
    EXPECT_THAT(help.text, HasSubstr(word));
  for (const auto code : {"  0 ", "  1 ", "  2 ", "  3 ", "  4 ", "  5 ", "  6 ", "  7 ", "  8 ", "  9 ", "  130 "})
    EXPECT_THAT(help.text, HasSubstr(code));
  EXPECT_THAT(read({"put", "--help"}).text, HasSubstr("cairn put ~/photos"));
  EXPECT_THAT(read({"trash", "empty", "-h"}).text, HasSubstr("--yes"));
  const auto version = read({"--version"});
  EXPECT_EQ(version.exit, 0);
  EXPECT_THAT(version.text, HasSubstr("cairn 0.1.0"));
}

}  // namespace
}  // namespace cairn::apps
