// The completion scripts: bash's is run, the others are held against the tree of commands.
#include "apps/cairn/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "apps/cairn/command_line.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::apps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// What bash offers for `words`, of which the last is being typed.
std::string offered(const std::vector<std::string>& words) {
  const test::TempDir folder;
  std::ofstream(folder / "script") << bash_completion(CommandLine().tree());
  std::ofstream(folder / "local-file.txt") << "x";
  std::string list;
  for (const auto& word : words) list += " '" + word + "'";
  std::ofstream(folder / "ask") << "cd '" + folder.path() + "'; source ./script; COMP_WORDS=(" + list +
                                       "); COMP_CWORD=" + std::to_string(words.size() - 1) +
                                       "; _cairn; printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  std::FILE* pipe = popen(("bash '" + folder / "ask" + "' 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), count);
  EXPECT_EQ(pclose(pipe), 0) << out;
  return "\n" + out;
}

TEST(Completion, BashOffersCommands) {
  EXPECT_THAT(offered({"cairn", ""}), AllOf(HasSubstr("\nlogin\n"), HasSubstr("\nsync\n"), HasSubstr("\n--server\n")));
  EXPECT_THAT(offered({"cairn", "re"}),
              AllOf(HasSubstr("\nrestore\n"), HasSubstr("\nrevert\n"), Not(HasSubstr("put"))));
  EXPECT_THAT(offered({"cairn", "trash", ""}), AllOf(HasSubstr("\nempty\n"), HasSubstr("\npurge\n")));
  EXPECT_THAT(offered({"cairn", "completion", "z"}), HasSubstr("\nzsh\n"));
  EXPECT_THAT(offered({"cairn", "admin", ""}), AllOf(HasSubstr("\ninit-ca\n"), HasSubstr("\nissue\n")));
  EXPECT_THAT(offered({"cairn", "cluster", ""}),
              AllOf(HasSubstr("\nup\n"), HasSubstr("\ndown\n"), HasSubstr("\nstatus\n")));
  EXPECT_THAT(offered({"cairn", "admin", "issue", "--"}), AllOf(HasSubstr("\n--ca\n"), HasSubstr("\n--out\n")));
}

TEST(Completion, BashOffersOptionsOfTheCommandAndOfTheTop) {
  EXPECT_THAT(offered({"cairn", "get", "--"}),
              AllOf(HasSubstr("\n--replace\n"), HasSubstr("\n--json\n"), Not(HasSubstr("--watch"))));
  EXPECT_THAT(offered({"cairn", "--json", "sync", "--w"}), HasSubstr("\n--watch\n"));
  EXPECT_EQ(offered({"cairn", "--server", ""}), "\n\n") << "a value is not guessed";
}

TEST(Completion, BashOffersLocalFilesWhereTheyBelong) {
  EXPECT_THAT(offered({"cairn", "put", "loc"}), HasSubstr("\nlocal-file.txt\n"));
  EXPECT_THAT(offered({"cairn", "login", "--tls-ca", "loc"}), HasSubstr("\nlocal-file.txt\n"));
  EXPECT_THAT(offered({"cairn", "admin", "init-ca", "loc"}), HasSubstr("\nlocal-file.txt\n"));
  EXPECT_THAT(offered({"cairn", "cluster", "up", "loc"}), HasSubstr("\nlocal-file.txt\n"));
  EXPECT_THAT(offered({"cairn", "rm", "loc"}), Not(HasSubstr("local-file")));
}

void expect_every_word(const std::string& script, const CLI::App& at, const std::string& dashes) {
  for (const auto* sub : at.get_subcommands([](const CLI::App*) { return true; })) {
    EXPECT_THAT(script, HasSubstr(sub->get_name()));
    expect_every_word(script, *sub, dashes);
  }
  for (const auto* option : at.get_options())
    for (const auto& name : option->get_lnames()) EXPECT_THAT(script, HasSubstr(dashes + name));
}

TEST(Completion, EveryShellKnowsEveryWord) {
  const CommandLine line;
  expect_every_word(bash_completion(line.tree()), line.tree(), "--");
  expect_every_word(zsh_completion(line.tree()), line.tree(), "--");
  expect_every_word(fish_completion(line.tree()), line.tree(), "-l ");
}

}  // namespace
}  // namespace cairn::apps
