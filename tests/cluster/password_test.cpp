// Password hashes: right, wrong, none.
#include "cluster/password.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

// The least that libsodium takes, so that the tests are quick.
constexpr PasswordCost cheap{1, 8u << 10};

TEST(Password, ChecksWhatItHashed) {
  const auto hash = hash_password("correct horse", cheap);
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(hash->rfind("$argon2id$", 0), 0u);
  EXPECT_TRUE(check_password("correct horse", *hash, cheap));
  EXPECT_FALSE(check_password("correct horsf", *hash, cheap));
  EXPECT_FALSE(check_password("", *hash, cheap));
  EXPECT_FALSE(check_password(std::string(2'000, 'x'), *hash, cheap));
}

TEST(Password, HashesAreSalted) {
  EXPECT_NE(*hash_password("correct horse", cheap), *hash_password("correct horse", cheap));
}

TEST(Password, HashesCarryTheirOwnCost) {
  const auto hash = hash_password("correct horse", {2, 16u << 10});
  EXPECT_TRUE(check_password("correct horse", *hash, cheap));
}

TEST(Password, LengthIsBounded) {
  EXPECT_EQ(hash_password("1234567", cheap).error().code, Errc::invalid_argument);
  EXPECT_TRUE(hash_password("12345678", cheap).ok());
  EXPECT_TRUE(hash_password(std::string(1'024, 'x'), cheap).ok());
  EXPECT_EQ(hash_password(std::string(1'025, 'x'), cheap).error().code, Errc::invalid_argument);
}

TEST(Password, UnknownLoginAndBadHashAreNo) {
  EXPECT_FALSE(check_password("correct horse", "", cheap));
  EXPECT_FALSE(check_password("correct horse", "$argon2id$nonsense", cheap));
  EXPECT_FALSE(check_password("correct horse", std::string(4'000, '$'), cheap));
}

}  // namespace
}  // namespace cairn::cluster
