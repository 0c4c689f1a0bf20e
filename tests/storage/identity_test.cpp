// Whose a data directory is: what is refused, and what is remembered over restarts.
#include "storage/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/seal.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class IdentityTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Identity>> open(const std::string& node = "n1", const std::string& cluster = "c") {
    return Identity::open(directory_, node, cluster, 77);
  }

  test::TempDir folder_;
  std::string directory_ = folder_.path() + "/data";
};

TEST_F(IdentityTest, CountsStartsAndRemembers) {
  {
    auto first = open();
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_TRUE((*first)->fresh());
    EXPECT_EQ((*first)->values().data, 77u);
    ASSERT_TRUE((*first)->set_founded());
    ASSERT_TRUE((*first)->add_replica(3, 2));
    ASSERT_TRUE((*first)->add_replica(900, 2));
    ASSERT_TRUE((*first)->add_replica(5, 300));
    ASSERT_TRUE((*first)->drop_replica(900));
  }
  auto second = Identity::open(directory_, "n1", "c", 78);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE((*second)->fresh());
  EXPECT_EQ((*second)->values().incarnation, 2u);
  EXPECT_EQ((*second)->values().data, 77u) << "the number of the first start stays";
  EXPECT_TRUE((*second)->values().founded);
  EXPECT_THAT((*second)->values().replicas, ElementsAre(Pair(3, 2), Pair(5, 300)));
}

TEST_F(IdentityTest, OneProcessAtATime) {
  auto first = open();
  ASSERT_TRUE(first.ok());
  const auto second = open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::busy);
  EXPECT_THAT(second.error().message, HasSubstr(directory_));
}

TEST_F(IdentityTest, LeavesTheLockOfTheDirectoryItselfToOthers) {
  const auto identity = open();
  ASSERT_TRUE(identity.ok());
  EXPECT_TRUE(KeyRing::open_or_create(directory_ + "/block-keys").ok()) << "it locks where its file lies";
}

TEST_F(IdentityTest, AnotherNodeOrClusterIsRefusedAndChangesNothing) {
  ASSERT_TRUE(open().ok());
  const auto node = open("n2");
  EXPECT_EQ(node.error().code, Errc::conflict);
  EXPECT_THAT(node.error().message, HasSubstr("belongs to node n1"));
  const auto cluster = open("n1", "d");
  EXPECT_EQ(cluster.error().code, Errc::conflict);
  EXPECT_THAT(cluster.error().message, HasSubstr("belongs to cluster c"));
  EXPECT_EQ((*open())->values().incarnation, 2u);
}

TEST_F(IdentityTest, ACopyIsRefusedInAClusterOnly) {
  ASSERT_TRUE(open().ok());
  const auto copy = folder_.path() + "/copy";
  std::filesystem::copy(directory_, copy);
  const auto opened = Identity::open(copy, "n1", "c", 1);
  EXPECT_EQ(opened.error().code, Errc::conflict);
  EXPECT_THAT(opened.error().message, HasSubstr("is a copy"));
  const auto moved = folder_.path() + "/moved";
  std::filesystem::rename(directory_, moved);
  EXPECT_TRUE(Identity::open(moved, "n1", "c", 1).ok());

  const auto alone = folder_.path() + "/alone";
  ASSERT_TRUE(Identity::open(alone, "n1", "", 1).ok());
  const auto restored = folder_.path() + "/restored";
  std::filesystem::copy(alone, restored);
  ASSERT_TRUE(Identity::open(restored, "n1", "", 1).ok()) << "a lone node's backup";
  EXPECT_TRUE(Identity::open(restored, "n1", "c", 1).ok()) << "and it may become part of a cluster";
  EXPECT_EQ(Identity::open(restored, "n1", "d", 1).error().code, Errc::conflict);
}

TEST_F(IdentityTest, DamageIsSeen) {
  ASSERT_TRUE(open().ok());
  const auto path = directory_ + "/identity";
  std::ifstream in(path, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= 1;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    EXPECT_EQ(open().error().code, Errc::corrupt) << at;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << good.substr(0, at);
    EXPECT_EQ(open().error().code, Errc::corrupt) << at;
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << good;
  EXPECT_TRUE(open().ok());
}

}  // namespace
}  // namespace cairn::storage
