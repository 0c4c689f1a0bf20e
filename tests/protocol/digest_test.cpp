// Known answers of the digests, and ids as text.
#include "protocol/digest.hpp"

#include <gtest/gtest.h>

#include <random>

namespace cairn {
namespace {

TEST(Digest, Sha256KnownAnswers) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, HmacKnownAnswers) {
  const auto hex = [](const Bytes& mac) { return BlockId::from_bytes(mac)->hex(); };
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),  // RFC 4231 §4.3
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256("", "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Digest, Crc32cKnownAnswersByBothWays) {
  for (const auto function : {crc32c, crc32c_portable}) {
    EXPECT_EQ(function("", 0), 0u);
    EXPECT_EQ(function("123456789", 0), 0xe3069283u);
    EXPECT_EQ(function(Bytes(32, '\0'), 0), 0x8a9136aau);  // RFC 3720 §B.4
    EXPECT_EQ(function(Bytes(32, '\xff'), 0), 0x62a8ab43u);
  }
}

TEST(Digest, Crc32cContinuesAndBothWaysAgree) {
  std::mt19937_64 random(3);
  Bytes bytes(1'000, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  for (int round = 0; round < 200; ++round) {
    const BytesView all(bytes.data() + round % 9, random() % 900);
    const auto cut = all.empty() ? 0 : random() % all.size();
    const auto whole = crc32c(all);
    EXPECT_EQ(whole, crc32c_portable(all));
    EXPECT_EQ(whole, crc32c(all.substr(cut), crc32c_portable(all.substr(0, cut))));
  }
}

TEST(Digest, Crc32cOfLongInputsAgreesBothWays) {
  std::mt19937_64 random(5);
  Bytes bytes(20'000, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  for (const std::size_t size : {3'071u, 3'072u, 3'073u, 6'143u, 6'144u, 9'300u, 19'990u}) {
    const BytesView all(bytes.data() + size % 9, size);
    EXPECT_EQ(crc32c(all), crc32c_portable(all)) << size;
    EXPECT_EQ(crc32c(all, 77), crc32c_portable(all, 77)) << size;
    auto harmed = Bytes(all);
    harmed[size / 2] = static_cast<char>(harmed[size / 2] ^ 1);
    EXPECT_NE(crc32c(harmed), crc32c(all)) << size;
  }
}

TEST(Digest, RandomBytesDiffer) {
  EXPECT_EQ(random_bytes(0), "");
  EXPECT_EQ(random_bytes(33).size(), 33u);
  EXPECT_NE(random_bytes(32), random_bytes(32));
}

TEST(Digest, ConstantTimeComparison) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
}

TEST(Ids, BlockIdsAreThirtyTwoBytes) {
  const auto id = sha256("x");
  EXPECT_EQ(BlockId::from_bytes(id.view()), id);
  EXPECT_FALSE(BlockId::from_bytes(""));
  EXPECT_FALSE(BlockId::from_bytes(Bytes(31, 'a')));
  EXPECT_FALSE(BlockId::from_bytes(Bytes(33, 'a')));
}

TEST(Ids, TokensRoundTripAsText) {
  Token token{make_account_id(Slot{16'383}, 0xdeadbeef), {}};
  for (std::size_t i = 0; i < token.secret.size(); ++i) token.secret[i] = static_cast<std::uint8_t>(i * 9);
  const auto text = token.text();
  EXPECT_EQ(text.substr(0, 23), "cairn1_00003fffdeadbeef");
  const auto parsed = Token::parse(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->account, token.account);
  EXPECT_EQ(parsed->secret, token.secret);
  EXPECT_EQ(slot_of(parsed->account), Slot{16'383});
  EXPECT_EQ(ordinal_of(parsed->account), 0xdeadbeefu);

  EXPECT_FALSE(Token::parse(""));
  EXPECT_FALSE(Token::parse(text + "0"));
  EXPECT_FALSE(Token::parse(text.substr(1)));
  auto bad = text;
  bad[40] = 'G';
  EXPECT_FALSE(Token::parse(bad));
  bad = text;
  bad[5] = '2';
  EXPECT_FALSE(Token::parse(bad));
}

TEST(Ids, SlotsOfLoginsAreInRangeAndStable) {
  EXPECT_EQ(slot_of_login("abc").value, (0xba << 6 | 0x78 >> 2));
  for (int i = 0; i < 1'000; ++i) EXPECT_LT(slot_of_login(std::to_string(i)).value, slot_count);
}

}  // namespace
}  // namespace cairn
