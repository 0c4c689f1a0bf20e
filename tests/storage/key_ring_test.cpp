// The key file: made once, refused when it is open to others or does not parse, never shown; and the
// receipts that its second kind of key signs.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "storage/seal.hpp"

namespace cairn::storage {
namespace {

const std::string key_a(64, 'a');
const std::string key_b(64, 'b');

class KeyFile : public testing::Test {
 protected:
  KeyFile() {
    char name[] = "/tmp/cairn-keys-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~KeyFile() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/block-keys"; }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path(), std::ios::binary) << text;
    ::chmod(path().c_str(), mode);
  }
  std::string read() const {
    std::ifstream in(path());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Error refusal() {
    auto ring = KeyRing::open_or_create(path());
    return ring.ok() ? Error{Errc::internal, "it was accepted"} : ring.error();
  }
  std::string folder_;
};

TEST_F(KeyFile, IsMadeOnceForItsOwnerAlone) {
  auto made = KeyRing::open_or_create(path());
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->newest_version(), 1u);
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  const auto text = read();
  ASSERT_TRUE(KeyRing::open_or_create(path()).ok());
  EXPECT_EQ(read(), text);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "a left-over";
}

TEST_F(KeyFile, ReadsTheDocumentedForm) {
  write("# comment\n\n  sealing 7 " + key_a + "  \r\nreceipt 1 " + key_b + "\nsealing 3 " + key_b);
  auto ring = KeyRing::open_or_create(path());
  ASSERT_TRUE(ring.ok()) << ring.error().message;
  EXPECT_EQ((*ring)->newest_version(), 7u);
}

TEST_F(KeyFile, RotationKeepsEverySealingKeyAndTheLastReceiptKey) {
  write("sealing 7 " + key_a + "\nsealing 3 " + key_b + "\nreceipt 4 " + key_b + "\nreceipt 5 " + key_a);
  ASSERT_TRUE(KeyRing::rotate(path()).ok());
  const auto text = read();
  EXPECT_NE(text.find("sealing 7 " + key_a + "\n"), std::string::npos);
  EXPECT_NE(text.find("sealing 3 " + key_b + "\n"), std::string::npos);
  EXPECT_NE(text.find("sealing 8 "), std::string::npos);
  EXPECT_EQ(text.find("receipt 4 "), std::string::npos);
  EXPECT_NE(text.find("receipt 5 " + key_a + "\n"), std::string::npos);
  EXPECT_NE(text.find("receipt 6 "), std::string::npos);
  EXPECT_EQ(refusal().message, "it was accepted");
}

TEST_F(KeyFile, RotationNeedsAFileAndChangesNothingItCannotRead) {
  auto absent = KeyRing::rotate(path());
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(path()));
  write("sealing 1 broken\n");
  EXPECT_FALSE(KeyRing::rotate(path()).ok());
  EXPECT_EQ(read(), "sealing 1 broken\n");
  const auto full = "sealing 4294967295 " + key_a + "\nreceipt 1 " + key_b + "\n";
  write(full);
  EXPECT_FALSE(KeyRing::rotate(path()).ok());
  EXPECT_EQ(read(), full);
}

TEST_F(KeyFile, NamesTheBadLineAndNeverTheKey) {
  const std::string good = "sealing 1 " + key_a + "\nreceipt 1 " + key_b + "\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"sealing 2 " + key_a.substr(1), "line 3"},
      {"sealing 2 " + key_a + "a", "line 3"},
      {"sealing 2 " + key_a.substr(1) + "g", "line 3"},
      {"sealing 2", "line 3"},
      {"sealing 2 " + key_a + " more", "line 3"},
      {"sealing 0 " + key_a, "line 3"},
      {"sealing -1 " + key_a, "line 3"},
      {"sealing 01 " + key_a, "line 3"},
      {"sealing 4294967296 " + key_a, "line 3"},
      {"sealing 99999999999999999999 " + key_a, "line 3"},
      {"sealing 1 " + key_b, "line 3"},
      {"\nsigning 2 " + key_a, "line 4"},
      {key_a + " 2 sealing", "line 3"},
      {std::string("\0", 1), "line 3"},
  };
  for (const auto& [line, where] : cases) {
    write(good + line);
    const auto error = refusal();
    EXPECT_EQ(error.code, Errc::bad_config) << line;
    EXPECT_NE(error.message.find(path()), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(where), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("aaaa"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("bbbb"), std::string::npos) << error.message;
  }
  for (const auto& text : {std::string(), "receipt 1 " + key_a, "sealing 1 " + key_a}) {
    write(text);
    EXPECT_EQ(refusal().code, Errc::bad_config) << text.size();
  }
  write(std::string((1u << 20) + 1, '\n'));
  EXPECT_EQ(refusal().code, Errc::bad_config);
}

TEST_F(KeyFile, OpenToOthersIsRefused) {
  const auto text = "sealing 1 " + key_a + "\nreceipt 1 " + key_b + "\n";
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0777}) {
    write(text, mode);
    EXPECT_EQ(refusal().code, Errc::permission_denied) << std::oct << mode;
  }
  write(text, 0400);
  EXPECT_EQ(refusal().message, "it was accepted");
}

TEST_F(KeyFile, ThatIsNoFileOrCannotBeMadeIsRefused) {
  std::filesystem::create_directory(path());
  std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(refusal().code, Errc::bad_config);
  auto nowhere = KeyRing::open_or_create(folder_ + "/absent/block-keys");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().code, Errc::io);
}

TEST_F(KeyFile, ALeftOverOfAnInterruptedChangeIsReplaced) {
  std::ofstream(path() + ".new") << "half a fi";
  ASSERT_TRUE(KeyRing::open_or_create(path()).ok());
  std::ofstream(path() + ".new") << "half a fi";
  ASSERT_TRUE(KeyRing::rotate(path()).ok());
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
  EXPECT_EQ(refusal().message, "it was accepted");
}

TEST_F(KeyFile, MadeAndRotatedByManyAtOnceLosesNoKey) {
  std::vector<std::thread> threads;
  std::array<bool, 8> fine{};
  for (std::size_t i = 0; i < fine.size(); ++i)
    threads.emplace_back([&, i] {
      auto ring = KeyRing::open_or_create(path());
      fine[i] = ring.ok() && KeyRing::rotate(path()).ok();
      const auto plain = std::to_string(i);
      const auto sealed = Sealer(*ring).seal(sha256(plain), plain);
      auto last = KeyRing::open_or_create(path());
      fine[i] = fine[i] && last.ok() && Sealer(*last).open(sha256(plain), sealed).ok();
    });
  for (auto& thread : threads) thread.join();
  for (const bool one : fine) EXPECT_TRUE(one);
  EXPECT_EQ((*KeyRing::open_or_create(path()))->newest_version(), 9u);
}

class ReceiptTest : public KeyFile {
 protected:
  ReceiptTest() : ring_(*KeyRing::open_or_create(path())) {
    receipt_ = ring_->sign({sha256("block"), 5, AccountId{7}, issued_, {}});
  }
  Errc checked(const Receipt& receipt, AccountId account, std::int64_t after_millis) {
    auto result = ring_->check(receipt, account, Timestamp{issued_.millis + after_millis});
    return result.ok() ? Errc{} : result.error().code;
  }
  static constexpr Timestamp issued_{1'700'000'000'000};
  static constexpr std::int64_t lifetime_ = std::chrono::milliseconds(limits::receipt_lifetime).count();
  static constexpr std::int64_t margin_ = std::chrono::milliseconds(limits::receipt_margin).count();
  std::shared_ptr<const KeyRing> ring_;
  Receipt receipt_;
};

TEST_F(ReceiptTest, HoldsForItsLifetimeAndAClockThatIsBehind) {
  EXPECT_EQ(receipt_.mac.size(), 32u);
  EXPECT_EQ(checked(receipt_, AccountId{7}, 0), Errc{});
  EXPECT_EQ(checked(receipt_, AccountId{7}, lifetime_), Errc{});
  EXPECT_EQ(checked(receipt_, AccountId{7}, lifetime_ + 1), Errc::bad_receipt);
  EXPECT_EQ(checked(receipt_, AccountId{7}, -margin_), Errc{});
  EXPECT_EQ(checked(receipt_, AccountId{7}, -margin_ - 1), Errc::bad_receipt);
}

TEST_F(ReceiptTest, HoldsForNothingElse) {
  EXPECT_EQ(checked(receipt_, AccountId{8}, 0), Errc::bad_receipt);
  auto forged = receipt_;
  forged.account = AccountId{8};
  EXPECT_EQ(checked(forged, AccountId{8}, 0), Errc::bad_receipt);
  forged = receipt_;
  forged.bytes = 6;
  EXPECT_EQ(checked(forged, AccountId{7}, 0), Errc::bad_receipt);
  forged = receipt_;
  forged.block = sha256("other");
  EXPECT_EQ(checked(forged, AccountId{7}, 0), Errc::bad_receipt);
  forged = receipt_;
  forged.issued.millis += 1;
  EXPECT_EQ(checked(forged, AccountId{7}, 0), Errc::bad_receipt);
  forged = receipt_;
  forged.mac[31] = static_cast<char>(forged.mac[31] ^ 1);
  EXPECT_EQ(checked(forged, AccountId{7}, 0), Errc::bad_receipt);
  for (const std::size_t size : {0, 1, 31, 33}) {
    forged.mac = receipt_.mac;
    forged.mac.resize(size);
    EXPECT_EQ(checked(forged, AccountId{7}, 0), Errc::bad_receipt) << size;
  }
}

TEST_F(ReceiptTest, OutlivesOneRotationAndNotTwo) {
  ring_ = *KeyRing::rotate(path());
  EXPECT_EQ(checked(receipt_, AccountId{7}, 0), Errc{});
  EXPECT_NE(ring_->sign(receipt_).mac, receipt_.mac);
  ring_ = *KeyRing::rotate(path());
  EXPECT_EQ(checked(receipt_, AccountId{7}, 0), Errc::bad_receipt);
}

}  // namespace
}  // namespace cairn::storage
