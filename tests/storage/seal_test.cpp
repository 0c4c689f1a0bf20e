// Sealed blocks: what goes in comes out, and nothing else does.
#include "storage/seal.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::storage {
namespace {

Bytes noise(std::size_t count, std::uint64_t seed = 1) {
  std::mt19937_64 generator(seed);
  Bytes out;
  while (out.size() < count) {
    const auto word = generator();
    out.append(reinterpret_cast<const char*>(&word), std::min<std::size_t>(8, count - out.size()));
  }
  return out;
}

Bytes text(std::size_t count) {
  Bytes out;
  for (int i = 0; out.size() < count; ++i) out += "line " + std::to_string(i * 7919) + " of a text\n";
  out.resize(count);
  return out;
}

Bytes from_hex(std::string_view digits) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return out;
}

class Seal : public testing::Test {
 protected:
  Seal() {
    char name[] = "/tmp/cairn-seal-XXXXXX";
    folder_ = mkdtemp(name);
    auto ring = KeyRing::open_or_create(path());
    EXPECT_TRUE(ring.ok()) << ring.error().message;
    ring_ = *ring;
  }
  ~Seal() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/block-keys"; }

  void expect_round_trip(const Bytes& plain) {
    Sealer sealer(ring_);
    const auto id = sha256(plain);
    const auto sealed = sealer.seal(id, plain);
    EXPECT_LE(sealed.size(), plain.size() + sealed_overhead_bytes);
    auto opened = sealer.open(id, sealed);
    ASSERT_TRUE(opened.ok()) << plain.size() << ": " << opened.error().message;
    EXPECT_EQ(*opened == plain, true) << plain.size();
  }
  Errc open_error(const BlockId& id, const Bytes& sealed) {
    auto opened = Sealer(ring_).open(id, sealed);
    return opened.ok() ? Errc::internal : opened.error().code;
  }

  std::string folder_;
  std::shared_ptr<const KeyRing> ring_;
};

TEST_F(Seal, OpensWhatItSealedAtEverySizeThatMatters) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 255, 4'095, 4'096, 49'151, 49'152, 49'153, 500'000}) {
    expect_round_trip(noise(size));
    expect_round_trip(text(size));
  }
  expect_round_trip(noise(limits::max_block_bytes));
  expect_round_trip(text(limits::max_block_bytes));
  expect_round_trip(Bytes(limits::max_block_bytes, '\0'));
}

TEST_F(Seal, OpensTheDocumentedForm) {
  const auto keys = folder_ + "/golden-keys";
  std::ofstream(keys) << "sealing 7 " << std::string(64, 'a') << "\nreceipt 1 " << std::string(64, 'b') << "\n";
  ::chmod(keys.c_str(), 0600);
  ring_ = *KeyRing::open_or_create(keys);
  Sealer sealer(ring_);
  const auto raw = from_hex(
      "010000000007066f3a2f4ea6080ec9c0d7e700000006"
      "fb1bd5d7502e5e6e7d94e36b622ba05fe72754a8d106");
  EXPECT_EQ(sealer.open(sha256("golden"), raw).value(), "golden");
  const Bytes plain(200, 'z');
  const auto packed = from_hex(
      "010100000007356c971f5e8cb29801e72400000000c8"
      "4f0dc826d91ced986b938ee764b9488af8d052e0d2beb4909668f99427011704837c");
  EXPECT_EQ(sealer.open(sha256(plain), packed).value(), plain);
  EXPECT_EQ(ring_->sign({sha256("golden"), 6, AccountId{0x0102030405}, Timestamp{1'700'000'000'000}, {}}).mac,
            from_hex("268e45d13f758b4dbcce6268875cc54a882dcdf82f3c0bbc07091ba8d13604b0"));
}

TEST_F(Seal, CompressesWhereThatPaysOnly) {
  Sealer sealer(ring_);
  const auto size_of = [&](const Bytes& plain) { return sealer.seal(sha256(plain), plain).size(); };
  EXPECT_LT(size_of(text(500'000)), 150'000u);
  EXPECT_EQ(size_of(noise(500'000)), 500'000 + sealed_overhead_bytes);
  EXPECT_EQ(size_of(noise(100)), 100 + sealed_overhead_bytes);
  // A saving below one part in 16 is not worth the work of decompressing.
  const auto slightly = noise(480'000) + Bytes(20'000, 'x');
  EXPECT_EQ(size_of(slightly), slightly.size() + sealed_overhead_bytes);
  // Samples promise more than the whole gives: it is then kept as it is.
  const auto deceiving = Bytes(16'384, 'x') + noise(600'000) + Bytes(16'384, 'x');
  EXPECT_EQ(size_of(deceiving), deceiving.size() + sealed_overhead_bytes);
}

TEST_F(Seal, ShowsNothingOfThePlainBytesAndNeverRepeatsANonce) {
  Sealer sealer(ring_);
  const auto plain = noise(1'000);
  const auto id = sha256(plain);
  std::set<Bytes> nonces;
  std::set<Bytes> all;
  for (int i = 0; i < 1'000; ++i) {
    const auto sealed = sealer.seal(id, plain);
    nonces.insert(sealed.substr(6, 12));
    all.insert(sealed);
    EXPECT_EQ(sealed.find(plain.substr(0, 8)), Bytes::npos);
  }
  EXPECT_EQ(nonces.size(), 1'000u);
  EXPECT_EQ(all.size(), 1'000u);
}

TEST_F(Seal, RefusesEveryFlippedBit) {
  Sealer sealer(ring_);
  for (const auto& plain : {noise(40), text(400)}) {
    const auto id = sha256(plain);
    const auto sealed = sealer.seal(id, plain);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      auto bad = sealed;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
      auto opened = sealer.open(id, bad);
      ASSERT_FALSE(opened.ok()) << "bit " << bit;
      // The four bytes after version and codec name the key.
      const bool in_key_version = bit / 8 >= 2 && bit / 8 < 6;
      EXPECT_EQ(opened.error().code, in_key_version ? Errc::unavailable : Errc::corrupt) << "bit " << bit;
    }
    EXPECT_TRUE(sealer.open(id, sealed).ok()) << "a refusal must leave the sealer usable";
  }
}

TEST_F(Seal, RefusesEveryCutAndAnyTail) {
  Sealer sealer(ring_);
  const auto plain = text(300);
  const auto id = sha256(plain);
  const auto sealed = sealer.seal(id, plain);
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_EQ(open_error(id, sealed.substr(0, size)), Errc::corrupt) << size;
  EXPECT_EQ(open_error(id, sealed + '\0'), Errc::corrupt);
  for (int seed = 0; seed < 2'000; ++seed) {
    auto random = noise(static_cast<std::size_t>(seed % 90), static_cast<std::uint64_t>(seed));
    if (random.size() > 6) random.replace(0, 6, BytesView("\1\1\0\0\0\1", 6));
    EXPECT_EQ(open_error(id, random), Errc::corrupt) << seed;
  }
}

TEST_F(Seal, RefusesAnotherBlocksIdAndAnotherFilesKey) {
  Sealer sealer(ring_);
  const auto plain = noise(1'000);
  const auto sealed = sealer.seal(sha256(plain), plain);
  EXPECT_EQ(open_error(sha256("other"), sealed), Errc::corrupt);
  auto other = KeyRing::open_or_create(folder_ + "/other-keys");
  ASSERT_TRUE(other.ok());
  auto opened = Sealer(*other).open(sha256(plain), sealed);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

TEST_F(Seal, FindsBytesThatNeverHashedToTheId) {
  Sealer sealer(ring_);
  const auto id = sha256("what was meant");
  EXPECT_EQ(open_error(id, sealer.seal(id, "what was sealed")), Errc::corrupt);
}

TEST_F(Seal, RefusesAStatedSizeOverTheLimitBeforeItAllocates) {
  Sealer sealer(ring_);
  const auto plain = text(5'000);
  auto sealed = sealer.seal(sha256(plain), plain);
  Writer huge;
  huge.u32(UINT32_MAX);
  sealed.replace(18, 4, huge.view());
  EXPECT_EQ(open_error(sha256(plain), sealed), Errc::corrupt);
}

TEST_F(Seal, OpensBlocksOfEveryKeySinceTheFirst) {
  std::vector<std::pair<Bytes, Bytes>> kept;
  for (std::uint32_t version = 1; version <= 5; ++version) {
    EXPECT_EQ(ring_->newest_version(), version);
    const auto plain = noise(1'000, version);
    kept.emplace_back(plain, Sealer(ring_).seal(sha256(plain), plain));
    const auto before = ring_;
    auto rotated = KeyRing::rotate(path());
    ASSERT_TRUE(rotated.ok()) << rotated.error().message;
    ring_ = *rotated;
    const auto fresh = Sealer(ring_).seal(sha256("new"), "new");
    auto early = Sealer(before).open(sha256("new"), fresh);
    ASSERT_FALSE(early.ok());
    EXPECT_EQ(early.error().code, Errc::unavailable);
  }
  auto again = KeyRing::open_or_create(path());
  ASSERT_TRUE(again.ok());
  ring_ = *again;
  EXPECT_EQ(ring_->newest_version(), 6u);
  for (const auto& [plain, sealed] : kept) {
    auto opened = Sealer(ring_).open(sha256(plain), sealed);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_EQ(*opened == plain, true);
  }
}

}  // namespace
}  // namespace cairn::storage
