// The real directory and the simulated one: what both promise, and what the simulation loses.
#include <gtest/gtest.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "storage/disk.hpp"
#include "tests/support/sim_disk.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

using test::SimDisk;

class AnyDisk : public testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<Disk> make() {
    if (GetParam()) return open_directory(dir_ / "disk").value();
    return std::make_shared<SimDisk>();
  }
  test::TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Disk, AnyDisk, testing::Bool(),
                         [](const auto& info) { return info.param ? "Real" : "Simulated"; });

TEST_P(AnyDisk, ReadsBackWhatWasWritten) {
  const auto disk = make();
  const auto file = disk->open("a", true).value();
  EXPECT_EQ(file->size().value(), 0u);
  EXPECT_EQ(file->read(0, 10).value(), "");
  ASSERT_TRUE(file->write(5, {"he", "", "llo"}).ok());
  EXPECT_EQ(file->size().value(), 10u);
  EXPECT_EQ(file->read(0, 100).value(), Bytes("\0\0\0\0\0hello", 10));
  EXPECT_EQ(file->read(7, 2).value(), "ll");
  EXPECT_EQ(file->read(10, 1).value(), "");
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(disk->open("a", false).value()->read(5, 5).value(), "hello");
}

TEST_P(AnyDisk, ChangesSizes) {
  const auto file = make()->open("a", true).value();
  ASSERT_TRUE(file->write(0, {"hello"}).ok());
  ASSERT_TRUE(file->resize(3).ok());
  EXPECT_EQ(file->read(0, 9).value(), "hel");
  ASSERT_TRUE(file->fill(3'000'000).ok());
  ASSERT_TRUE(file->fill(10).ok());
  EXPECT_EQ(file->size().value(), 3'000'000u);
  EXPECT_EQ(file->read(2, 3).value(), Bytes("l\0\0", 3));
  EXPECT_EQ(file->read(2'999'998, 9).value(), Bytes(2, '\0'));
  ASSERT_TRUE(file->reserve(3'100'000).ok());
  ASSERT_TRUE(file->reserve(10).ok());
  EXPECT_EQ(file->size().value(), 3'100'000u);
}

TEST_P(AnyDisk, KeepsNames) {
  const auto disk = make();
  EXPECT_EQ(disk->open("a", false).error().code, Errc::not_found);
  EXPECT_EQ(disk->rename("a", "b").error().code, Errc::not_found);
  EXPECT_EQ(disk->remove("a").error().code, Errc::not_found);
  ASSERT_TRUE(disk->open("c", true).value()->write(0, {"c"}).ok());
  const auto held = disk->open("b", true).value();
  ASSERT_TRUE(held->write(0, {"b"}).ok());
  EXPECT_EQ(disk->list().value(), (std::vector<std::string>{"b", "c"}));
  ASSERT_TRUE(disk->rename("c", "b").ok());
  EXPECT_EQ(disk->list().value(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(disk->open("b", false).value()->read(0, 9).value(), "c");
  EXPECT_EQ(held->read(0, 9).value(), "b");
  ASSERT_TRUE(disk->remove("b").ok());
  EXPECT_TRUE(disk->list().value().empty());
  ASSERT_TRUE(disk->sync_names().ok());
  EXPECT_GT(disk->free_bytes().value(), 0u);
}

TEST(RealDisk, MakesPrivateDirectoriesAndListsFilesOnly) {
  const test::TempDir dir;
  const auto disk = open_directory(dir / "x/y/").value();
  struct stat info {};
  ASSERT_EQ(::stat((dir / "x/y").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_TRUE(disk->open("file", true).ok());
  ASSERT_EQ(::stat((dir / "x/y/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::mkdir((dir / "x/y/folder").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("file", (dir / "x/y/link").c_str()), 0);
  EXPECT_EQ(disk->list().value(), (std::vector<std::string>{"file"}));
  EXPECT_EQ(disk->open("link", true).error().code, Errc::io);
  const auto refused = open_directory(dir / "x/y/file/z");
  EXPECT_EQ(refused.error().code, Errc::io);
  EXPECT_NE(refused.error().message.find("x/y/file"), std::string::npos);
}

TEST(RealDisk, TellsWhenThereIsNoRoomAndChangesNothing) {
  const test::TempDir dir;
  const auto path = dir / "small";
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  if (::mount("none", path.c_str(), "tmpfs", 0, "size=4m") != 0)
    GTEST_SKIP() << "mounting a small tmpfs needs root";
  {
    const auto disk = open_directory(path).value();
    const auto file = disk->open("a", true).value();
    ASSERT_TRUE(file->write(0, {"hello"}).ok());
    EXPECT_EQ(file->fill(8 << 20).error().code, Errc::disk_full);
    EXPECT_EQ(file->size().value(), 5u);
    EXPECT_EQ(file->reserve(8 << 20).error().code, Errc::disk_full);
    EXPECT_EQ(file->size().value(), 5u);
    EXPECT_GT(disk->free_bytes().value(), 3u << 20);
    EXPECT_EQ(file->write(5, {Bytes(8 << 20, 'x')}).error().code, Errc::disk_full);
    EXPECT_EQ(file->read(0, 5).value(), "hello");
    ASSERT_TRUE(file->resize(5).ok());
    ASSERT_TRUE(file->write(5, {" again"}).ok());
    ASSERT_TRUE(file->sync().ok());
  }
  ::umount2(path.c_str(), MNT_DETACH);
}

TEST(SimDisk, LosesWhatWasNotSynced) {
  SimDisk disk;
  const auto file = disk.open("a", true).value();
  ASSERT_TRUE(file->write(0, {"synced"}).ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(disk.unsynced_pieces(), 1u);  // the name
  EXPECT_TRUE(disk.image_of_first(0)->list().value().empty());
  EXPECT_EQ(disk.image_of_first(1)->content("a"), "synced");
  ASSERT_TRUE(disk.sync_names().ok());
  ASSERT_TRUE(file->write(0, {"SYNCED"}).ok());
  EXPECT_EQ(disk.image_of_first(0)->content("a"), "synced");
  EXPECT_EQ(disk.image_of_first(1)->content("a"), "SYNCED");
}

TEST(SimDisk, TearsAndReordersBySector) {
  SimDisk disk;
  const auto file = disk.open("a", true).value();
  ASSERT_TRUE(disk.sync_names().ok());
  ASSERT_TRUE(file->write(500, {Bytes(600, 'x')}).ok());
  EXPECT_EQ(disk.unsynced_pieces(), 3u);
  const auto torn = disk.image([](std::size_t i) { return i == 1; })->content("a");
  EXPECT_EQ(torn, Bytes(512, '\0') + Bytes(512, 'x'));
  ASSERT_TRUE(file->resize(100).ok());
  EXPECT_EQ(disk.image([](std::size_t i) { return i != 3; })->content("a").size(), 1100u);
  EXPECT_EQ(disk.image_of_first(4)->content("a").size(), 100u);
}

TEST(SimDisk, NamesAreLostOneByOne) {
  SimDisk disk;
  ASSERT_TRUE(disk.open("a", true).value()->fill(10).ok());
  ASSERT_TRUE(disk.sync_names().ok());
  ASSERT_TRUE(disk.rename("a", "b").ok());
  ASSERT_TRUE(disk.open("c", true).ok());
  EXPECT_EQ(disk.image_of_first(0)->list().value(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(disk.image_of_first(1)->list().value(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(disk.image([](std::size_t i) { return i == 1; })->list().value(),
            (std::vector<std::string>{"a", "c"}));
}

TEST(SimDisk, AFailedSyncSavesNothingEver) {
  SimDisk disk;
  auto file = disk.open("a", true).value();
  ASSERT_TRUE(disk.sync_names().ok());
  ASSERT_TRUE(file->write(0, {"lost"}).ok());
  disk.fail_after(0, Errc::io);
  EXPECT_EQ(file->sync().error().code, Errc::io);
  EXPECT_EQ(file->sync().error().code, Errc::io);
  file = disk.open("a", false).value();
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(disk.image_of_first(0)->content("a"), "");
}

TEST(SimDisk, RunsFullAndRots) {
  SimDisk disk(1000);
  const auto file = disk.open("a", true).value();
  ASSERT_TRUE(file->write(0, {Bytes(900, 'x')}).ok());
  EXPECT_EQ(file->write(900, {Bytes(101, 'x')}).error().code, Errc::disk_full);
  EXPECT_EQ(file->fill(1001).error().code, Errc::disk_full);
  EXPECT_EQ(file->size().value(), 900u);
  EXPECT_EQ(disk.free_bytes().value(), 100u);
  ASSERT_TRUE(file->write(0, {Bytes(900, 'y')}).ok());
  EXPECT_TRUE(disk.rot("a", 3, 0));
  EXPECT_EQ(file->read(2, 3).value(), "yxy");
  EXPECT_FALSE(disk.rot("a", 900, 0));
  EXPECT_FALSE(disk.rot("b", 0, 0));
}

}  // namespace
}  // namespace cairn::storage
