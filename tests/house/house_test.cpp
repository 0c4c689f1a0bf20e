// Holds the source tree against the rules of the house, and the rules against planted breaches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/house/house_rules.hpp"

namespace cairn::house {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string joined(const std::vector<Violation>& violations) {
  std::string all;
  for (const auto& violation : violations) all += describe(violation) + "\n";
  return all;
}

TEST(House, TheTreeKeepsItsRules) {
  std::size_t files_read = 0;
  const auto violations = check_tree(CAIRN_SOURCE_DIR, files_read);
  EXPECT_TRUE(violations.empty()) << "\n" << joined(violations);
  EXPECT_GT(files_read, 50u) << "the tree was not read";
}

/// What is wrong in a file whose lines are `lines`, in a tree that also holds a few headers.
std::vector<std::string> wrong(const std::string& file, const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  const std::vector<std::string> known = {
      "actors/node.hpp",     "apps/cairn/output.hpp", "client/drive.hpp",  "cluster/raft.hpp",
      "protocol/codec.hpp", "protocol/files.capnp",  "storage/table.hpp", "tests/support/disk.hpp"};
  std::vector<std::string> out;
  for (const auto& violation : check_file(file, text, known)) out.push_back(describe(violation));
  return out;
}

std::vector<std::string> wrong_include(const std::string& file, const std::string& include) {
  return wrong(file, {"// A planted file.", "#include " + include});
}

TEST(HouseRules, LayersIncludeOnlyToTheLeft) {
  EXPECT_THAT(wrong_include("storage/x.cpp", "\"cluster/raft.hpp\""),
              ElementsAre("storage/x.cpp:2: includes \"cluster/raft.hpp\": storage/ sees only protocol, storage"));
  const std::pair<const char*, const char*> breaches[] = {
      {"protocol/x.cpp", "\"storage/table.hpp\""},     {"cluster/x.cpp", "\"actors/node.hpp\""},
      {"cluster/x.cpp", "\"client/drive.hpp\""},       {"actors/x.cpp", "\"client/drive.hpp\""},
      {"client/x.cpp", "\"storage/table.hpp\""},       {"client/x.cpp", "<cluster/raft.hpp>"},
      {"actors/x.cpp", "\"apps/cairn/output.hpp\""},   {"apps/cairn/x.cpp", "\"actors/node.hpp\""},
      {"apps/cairn/x.cpp", "\"storage/table.hpp\""},   {"actors/x.cpp", "\"tests/support/disk.hpp\""},
      {"storage/x.cpp", "  \"cluster/raft.hpp\" // so"},
  };
  for (const auto& [file, include] : breaches) EXPECT_EQ(wrong_include(file, include).size(), 1u) << file << include;
  const std::pair<const char*, const char*> allowed[] = {
      {"storage/x.cpp", "\"protocol/codec.hpp\""},   {"cluster/x.cpp", "\"storage/table.hpp\""},
      {"actors/x.cpp", "\"cluster/raft.hpp\""},      {"client/x.cpp", "\"protocol/files.capnp.h\""},
      {"apps/cairn/x.cpp", "\"client/drive.hpp\""},  {"apps/cairnd.cpp", "\"actors/node.hpp\""},
      {"tests/actors/x.cpp", "\"actors/node.hpp\""}, {"tests/actors/x.cpp", "\"tests/support/disk.hpp\""},
  };
  for (const auto& [file, include] : allowed) EXPECT_THAT(wrong_include(file, include), IsEmpty()) << file << include;
}

TEST(HouseRules, DependenciesStayAtHome) {
  EXPECT_THAT(wrong_include("cluster/x.cpp", "<lmdb.h>"),
              ElementsAre("cluster/x.cpp:2: includes <lmdb.h>: LMDB belongs in storage/lmdb."));
  const std::pair<const char*, const char*> breaches[] = {
      {"storage/table.cpp", "<lmdb.h>"},           {"cluster/x.cpp", "<caf/all.hpp>"},
      {"apps/cairn/x.cpp", "<caf/all.hpp>"},       {"storage/x.cpp", "<capnp/message.h>"},
      {"actors/session.cpp", "<kj/async.h>"},      {"actors/x.cpp", "<boost/asio.hpp>"},
      {"storage/x.cpp", "<openssl/evp.h>"},        {"storage/x.cpp", "<zstd.h>"},
      {"cluster/x.cpp", "<sodium.h>"},             {"cluster/x.cpp", "<toml++/toml.h>"},
      {"client/x.cpp", "<sqlite3.h>"},             {"client/x.cpp", "<uninorm.h>"},
      {"actors/node.cpp", "<spdlog/spdlog.h>"},    {"client/x.cpp", "<CLI/CLI.hpp>"},
      {"client/x.cpp", "<nlohmann/json.hpp>"},     {"storage/x.cpp", "<gtest/gtest.h>"},
      {"storage/x.cpp", "\"gmock/gmock.h\""},      {"apps/x.cpp", "<benchmark/benchmark.h>"},
      {"storage/x.cpp", "<rocksdb/db.h>"},         {"storage/x.cpp", "\"lmdb.h\""},
  };
  for (const auto& [file, include] : breaches) EXPECT_EQ(wrong_include(file, include).size(), 1u) << file << include;
  const std::pair<const char*, const char*> allowed[] = {
      {"storage/lmdb.cpp", "<lmdb.h>"},            {"actors/node.cpp", "<caf/all.hpp>"},
      {"apps/cairnd.cpp", "<caf/all.hpp>"},        {"actors/rpc_server.cpp", "<kj/async.h>"},
      {"storage/seal.cpp", "<zstd.h>"},            {"cluster/password.cpp", "<sodium.h>"},
      {"cluster/config.cpp", "<toml++/toml.h>"},   {"client/sync_state.cpp", "<sqlite3.h>"},
      {"protocol/names.cpp", "<uninorm.h>"},       {"actors/log.cpp", "<spdlog/spdlog.h>"},
      {"apps/cairn/x.cpp", "<CLI/CLI.hpp>"},       {"tests/storage/x.cpp", "<gtest/gtest.h>"},
      {"storage/x.cpp", "<sys/stat.h>"},           {"storage/x.cpp", "<vector>"},
  };
  for (const auto& [file, include] : allowed) EXPECT_THAT(wrong_include(file, include), IsEmpty()) << file << include;
}

TEST(HouseRules, IncludesAreWrittenFromTheRootAndExist) {
  EXPECT_THAT(wrong_include("protocol/x.cpp", "\"codec.hpp\""), ElementsAre(HasSubstr("written from the root")));
  EXPECT_THAT(wrong_include("protocol/x.cpp", "\"protocol/gone.hpp\""), ElementsAre(HasSubstr("does not exist")));
  EXPECT_THAT(wrong_include("protocol/x.cpp", "\"protocol/gone.capnp.h\""), ElementsAre(HasSubstr("does not exist")));
}

TEST(HouseRules, FilesSayWhatTheyAre) {
  EXPECT_THAT(wrong("storage/x.hpp", {"#pragma once"}), ElementsAre(HasSubstr("x.hpp:1: does not open")));
  EXPECT_THAT(wrong("storage/x.cpp", {"#include <vector>"}), ElementsAre(HasSubstr("x.cpp:1: does not open")));
  EXPECT_THAT(wrong("storage/table.cpp", {"#include <vector>"}), IsEmpty()) << "introduced by its header";
  EXPECT_THAT(wrong("storage/x.hpp", {"// What it is.", "int x;"}), ElementsAre(HasSubstr("#pragma once")));
  EXPECT_THAT(wrong("storage/x.hpp", {"// What it is.", "#pragma once"}), IsEmpty());
}

TEST(HouseRules, FilesAndLinesAreBounded) {
  const std::vector<std::string> most(500, "// A line.");
  auto over = most;
  over.push_back("// One more.");
  EXPECT_THAT(wrong("storage/x.cpp", most), IsEmpty());
  EXPECT_THAT(wrong("storage/x.cpp", over), ElementsAre(HasSubstr("x.cpp: has 501 lines")));
  EXPECT_THAT(wrong("tests/storage/x.cpp", over), IsEmpty());
  EXPECT_THAT(wrong("tests/storage/x.cpp", std::vector<std::string>(801, "// A line.")), ElementsAre(HasSubstr("801")));
  EXPECT_THAT(wrong("storage/x.cpp", {"// " + std::string(117, 'x')}), IsEmpty());
  EXPECT_THAT(wrong("storage/x.cpp", {"// " + std::string(118, 'x')}), ElementsAre(HasSubstr(":1: has 121 columns")));
  std::string wide = "// ";
  for (int i = 0; i < 117; ++i) wide += "\xc3\xa9";
  EXPECT_THAT(wrong("storage/x.cpp", {wide}), IsEmpty()) << "columns are characters";
}

TEST(HouseRules, NamesThatSayNothingAreRefused) {
  for (const std::string name : {"FileManager", "PathHelper", "StringUtil", "Utils", "TableImpl"}) {
    EXPECT_THAT(wrong("storage/x.cpp", {"// A file.", "class " + name + " {"}), ElementsAre(HasSubstr(":2: names")));
    EXPECT_EQ(wrong("storage/x.cpp", {"// A file.", "  struct " + name + ";"}).size(), 1u);
  }
  EXPECT_THAT(wrong("storage/x.cpp", {"// A file.", "class Implicit {", "struct Managers {"}), IsEmpty());
  EXPECT_EQ(wrong("storage/x.cpp", {"// A file.", std::string("// TO") + "DO: later"}).size(), 1u);
}

TEST(HouseRules, EverySourceHasAPlace) {
  EXPECT_THAT(wrong("misc/x.cpp", {"// A file."}), ElementsAre(HasSubstr("no folder of the house")));
  EXPECT_THAT(wrong("storage/x.h", {"// A file."}), ElementsAre(HasSubstr("neither .cpp nor .hpp")));
}

TEST(HouseRules, ReadsAPlantedTree) {
  std::string pattern = testing::TempDir() + "cairn-house-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path root = pattern;
  const auto write = [&](const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  write("protocol/codec.hpp", "// Codec.\n#pragma once\n");
  write("storage/table.hpp", "// Table.\n#pragma once\n#include \"protocol/codec.hpp\"\n");
  write("protocol/codec.cpp", "#include \"protocol/codec.hpp\"\n#include \"storage/table.hpp\"\n#include <zstd.h>\n");
  write("build/dev/x.cpp", "#include <lmdb.h>\n");
  write(".cache/x.cpp", "#include <lmdb.h>\n");
  std::size_t files_read = 0;
  const auto violations = check_tree(root, files_read);
  std::filesystem::remove_all(root);
  EXPECT_EQ(files_read, 3u) << "the build folder and hidden ones are not read";
  EXPECT_EQ(joined(violations),
            "protocol/codec.cpp:2: includes \"storage/table.hpp\": protocol/ sees only protocol\n"
            "protocol/codec.cpp:3: includes <zstd.h>: zstd belongs in storage/seal.\n");
}

}  // namespace
}  // namespace cairn::house
