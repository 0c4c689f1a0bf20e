// A disk that runs full: writes are refused clearly, reads go on, and writes go on by themselves when there is room
// again. On a small file system of its own; skipped where the test may not mount one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/integration/local_tree.hpp"
#include "tests/support/small_disk.hpp"

namespace cairn::test {
namespace {

using testing::HasSubstr;

TEST(FullDisk, WritesAreRefusedReadsGoOnAndWritesResume) {
  const SmallDisk disk(360);
  if (!disk.mounted()) GTEST_SKIP() << "mounting is not allowed here";
  const TempDir folder;
  // The reserve for metadata is the smaller one: what is refused first is content.
  Server server("metadata.reserve = \"8MiB\"\nblocks.reserve = \"24MiB\"", disk.path());
  User user(server);
  user.sign_in();
  write_file(folder / "kept", random_text(1, 3'000'000));
  user.ok({"put", folder / "kept", "/kept"});

  // Something else takes the room.
  const auto ballast = disk.path() + "/ballast";
  const auto free = std::filesystem::space(disk.path()).available;
  ASSERT_GT(free, 24u << 20);
  write_file(ballast, std::string(free - (12u << 20), 'b'));
  write_file(folder / "more", random_text(2, 6'000'000));
  const auto refused = user.cairn({"put", folder / "more", "/more", "--patience", "3"}, 120s);
  EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("disk_full"));
  EXPECT_TRUE(user.ok({"cat", "/kept"}) == read_file(folder / "kept")) << "reads go on";
  EXPECT_EQ(user.ok({"ls"}), "kept\n");
  EXPECT_TRUE(server.running()) << server.log();

  std::filesystem::remove(ballast);
  // The room is looked at about once a second; each try takes a while of its own.
  int tries = 0;
  while (user.cairn({"put", folder / "more", "/more"}, 120s).code != 0 && ++tries < 1'000) continue;
  EXPECT_LT(tries, 1'000) << server.log();
  EXPECT_TRUE(user.ok({"cat", "/more"}) == read_file(folder / "more"));
  server.kill();
  server.start();
  EXPECT_TRUE(user.ok({"cat", "/more"}) == read_file(folder / "more"));
}

}  // namespace
}  // namespace cairn::test
