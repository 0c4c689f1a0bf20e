// The exchange of a replica's rows: a crash between any two of its steps leaves the old rows or the new ones.
#include "storage/replica_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

namespace fs = std::filesystem;

class ReplicaFolderTest : public ::testing::Test {
 protected:
  void put(const std::string& folder, const std::string& what) {
    fs::create_directories(folder);
    std::ofstream(folder + "/data") << what;
  }
  std::string rows() const {
    std::ifstream file(folder_.rows() + "/data");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void expect_only_rows() const {
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      EXPECT_EQ(entry.path().filename(), "rows") << entry.path();
  }

  test::TempDir directory_;
  ReplicaFolder folder_{directory_ / "replica"};
};

TEST_F(ReplicaFolderTest, IsMade) {
  ASSERT_TRUE(folder_.recover().ok());
  EXPECT_TRUE(fs::is_directory(folder_.path()));
  EXPECT_FALSE(folder_.withdrawn().value());
}

TEST_F(ReplicaFolderTest, ExchangesRows) {
  put(folder_.rows(), "old");
  put(folder_.incoming(), "new");
  ASSERT_TRUE(folder_.exchange_rows().ok());
  EXPECT_EQ(rows(), "new");
  expect_only_rows();
}

TEST_F(ReplicaFolderTest, WhatWasNotReceivedWholeGoes) {
  put(folder_.rows(), "old");
  put(folder_.incoming(), "half");
  ASSERT_TRUE(folder_.recover().ok());
  EXPECT_EQ(rows(), "old");
  expect_only_rows();
}

TEST_F(ReplicaFolderTest, AnExchangeThatWasCutShortIsEnded) {
  put(folder_.path() + "/rows.old", "old");
  put(folder_.incoming(), "new");
  ASSERT_TRUE(folder_.recover().ok());
  EXPECT_EQ(rows(), "new");
  expect_only_rows();
}

TEST_F(ReplicaFolderTest, OldRowsGoOnceTheNewOnesAreThere) {
  put(folder_.rows(), "new");
  put(folder_.path() + "/rows.old", "old");
  ASSERT_TRUE(folder_.recover().ok());
  EXPECT_EQ(rows(), "new");
  expect_only_rows();
}

TEST_F(ReplicaFolderTest, RemembersAWithdrawal) {
  ASSERT_TRUE(folder_.recover().ok());
  ASSERT_TRUE(folder_.mark_withdrawn("a row fails its checksum").ok());
  EXPECT_EQ(folder_.withdrawn().value(), "a row fails its checksum");
}

}  // namespace
}  // namespace cairn::storage
