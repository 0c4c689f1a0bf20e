// What well-formed calls with bad contents get: an error with a code that names the field, and nothing changes.
#include <gmock/gmock.h>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"
#include "tests/integration/raw_client.hpp"

namespace cairn::test {
namespace {

using ::testing::HasSubstr;

#define EXPECT_REFUSED(expression, wanted_code, word)                                         \
  do {                                                                                        \
    const auto refused_ = (expression);                                                       \
    if (refused_.ok()) {                                                                      \
      ADD_FAILURE() << #expression " was not refused";                                        \
    } else {                                                                                  \
      EXPECT_EQ(to_string(refused_.error().code), to_string(wanted_code)) << refused_.error().message; \
      EXPECT_THAT(refused_.error().message, HasSubstr(word));                                 \
    }                                                                                         \
  } while (false)

class BadRequests : public RawNode {
 protected:
  void SetUp() override {
    start();
    client_ = sign_in();
    EXPECT_TRUE(client_->make_folder("folder"));
    EXPECT_TRUE(client_->make_folder("inner", "folder"));
    EXPECT_TRUE(client_->put_block_file("file", "some content"));
    before_ = state_of(*client_);
  }

  void TearDown() override {
    if (client_) {
      EXPECT_EQ(state_of(*client_), before_) << "something was changed";
      expect_serving();
      client_ = nullptr;
    }
    RawNode::TearDown();
  }

  Result<ChangeResult> put(const Content& content) {
    PutFile put{{}, "new", EntryKind::file, {}, content, {0644, 1}};
    return client_->change([&](rpc::Change::Builder out) { to_capnp(Change{std::move(put)}, out); });
  }

  Result<void> stat(const std::string& path) {
    auto request = client_->drive().statRequest();
    to_capnp(EntryRef{root_entry, path}, request.initEntry());
    return done(io, request.send());
  }

  std::shared_ptr<RawClient> client_;
  DriveState before_{};
};

TEST_F(BadRequests, WrongPassword) {
  const auto other = connect();
  EXPECT_REFUSED(other->sign_in("ada", 2, "not the password"), Errc::wrong_credentials, "");
  EXPECT_REFUSED(other->sign_in("nobody", 2, "not the password"), Errc::wrong_credentials, "");
  const auto known = other->sign_in("ada", 2, "not the password");
  const auto unknown = other->sign_in("nobody", 2, "not the password");
  EXPECT_EQ(known.error().message, unknown.error().message) << "what is wrong must not be told";
}

TEST_F(BadRequests, GuessingPasswordsIsSlowedDown) {
  const auto other = connect();
  Errc last = Errc::wrong_credentials;
  for (int i = 0; i < 30 && last == Errc::wrong_credentials; ++i) last = other->sign_in("ada", 2, "guess").error().code;
  EXPECT_EQ(last, Errc::busy);
}

TEST_F(BadRequests, UnknownTokens) {
  const auto other = connect();
  EXPECT_REFUSED(other->resume(""), Errc::unknown_token, "token");
  EXPECT_REFUSED(other->resume("cairn1_zz"), Errc::unknown_token, "token");
  EXPECT_REFUSED(other->resume("cairn1_" + std::string(80, '0')), Errc::unknown_token, "");
  EXPECT_REFUSED(other->resume("cairn1_" + std::string(80, 'f')), Errc::unknown_token, "");
  EXPECT_REFUSED(other->resume(std::string(60'000, 'a')), Errc::unknown_token, "token");
}

TEST_F(BadRequests, RevokedToken) {
  const auto other = connect();
  const auto token = other->sign_in("ada", 2);
  ASSERT_TRUE(token);
  auto request = KJ_ASSERT_NONNULL(client_->session).revokeRequest();
  request.setClientId(2);
  ASSERT_TRUE(done(io, request.send()));
  EXPECT_REFUSED(connect()->resume(*token), Errc::revoked_token, "");
  EXPECT_TRUE(run_until([&] {
    const auto used = done(io, other->drive().usageRequest().send());
    return !used && used.error().code == Errc::revoked_token;
  })) << "an open session of the token must end too";
}

TEST_F(BadRequests, SignUps) {
  const auto other = connect();
  EXPECT_REFUSED(other->sign_up("ada"), Errc::already_exists, "");
  EXPECT_REFUSED(other->sign_up(""), Errc::invalid_argument, "login");
  EXPECT_REFUSED(other->sign_up("a/b"), Errc::invalid_argument, "login");
  EXPECT_REFUSED(other->sign_up(std::string(129, 'a')), Errc::invalid_argument, "login");
  EXPECT_REFUSED(other->sign_up("bob", "short"), Errc::invalid_argument, "password");
  EXPECT_REFUSED(other->sign_up("bob", std::string(2'000, 'p')), Errc::invalid_argument, "password");
  EXPECT_REFUSED(other->sign_in("ada", 0), Errc::invalid_argument, "clientId");
}

TEST_F(BadRequests, Names) {
  for (const auto& name : {std::string(".."), std::string("."), std::string("a/b"), std::string("/"),
                                 std::string("nul\0nul", 7), std::string(256, 'x'), std::string("\xff\xfe"),
                                 std::string("\xc0\xaf"), std::string("\xed\xa0\x80"), std::string()}) {
    const auto made = client_->make_folder(name);
    EXPECT_FALSE(made) << name;
    EXPECT_REFUSED(client_->make_folder(name), Errc::invalid_name, "");
    EXPECT_REFUSED(client_->put_inline(name, "x"), Errc::invalid_name, "name");
  }
}

TEST_F(BadRequests, Paths) {
  for (const auto* path : {"..", "folder/..", "folder//inner", "//", "folder/", "folder/./inner"})
    EXPECT_REFUSED(stat(path), Errc::invalid_name, "");
  EXPECT_REFUSED(stat(std::string("folder\0inner", 12)), Errc::invalid_name, "");
  EXPECT_REFUSED(stat(std::string(20'000, 'x')), Errc::too_large, "path");
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "/a";
  EXPECT_FALSE(stat(deep));
  EXPECT_REFUSED(stat("nothing/here"), Errc::not_found, "nothing");
  EXPECT_REFUSED(stat("file/below"), Errc::not_a_folder, "file");
}

TEST_F(BadRequests, AFolderIntoItself) {
  const auto move = [&](const std::string& from, const std::string& to) {
    return client_->change([&](rpc::Change::Builder out) {
      to_capnp(Change{Move{{root_entry, from}, {root_entry, to}, "moved"}}, out);
    });
  };
  EXPECT_REFUSED(move("folder", "folder"), Errc::would_cycle, "");
  EXPECT_REFUSED(move("folder", "folder/inner"), Errc::would_cycle, "");
  EXPECT_FALSE(move("", "folder"));
}

TEST_F(BadRequests, BlocksThatAreNotWhatTheySay) {
  const std::string bytes = "these bytes";
  auto other_id = sha256("other bytes");
  EXPECT_REFUSED(client_->put_block(other_id.view(), bytes), Errc::block_mismatch, other_id.hex());
  EXPECT_REFUSED(client_->put_block("short", bytes), Errc::invalid_argument, "id");
  EXPECT_REFUSED(client_->put_block("", bytes), Errc::invalid_argument, "id");
  EXPECT_REFUSED(client_->put_block(std::string(33, 'x'), bytes), Errc::invalid_argument, "id");
  EXPECT_REFUSED(client_->put_block(sha256("").view(), ""), Errc::too_large, "bytes");
  const std::string large(limits::max_block_bytes + 1, 'x');
  EXPECT_REFUSED(client_->put_block(sha256(large).view(), large), Errc::too_large, "bytes");
}

TEST_F(BadRequests, ManifestsOfBlocksThatWereNeverStored) {
  const auto id = sha256("never stored");
  EXPECT_REFUSED(put({12, {}, {{id, 12}}}), Errc::block_missing, id.hex());
  const auto known = sha256("some content");
  EXPECT_REFUSED(put({24, {}, {{known, 12}, {id, 12}}}), Errc::block_missing, id.hex());
}

TEST_F(BadRequests, ABlockOfAnotherDriveIsMissing) {
  const auto other = sign_in("bob", 5);
  const auto id = sha256("some content");
  PutFile put{{}, "stolen", EntryKind::file, {}, {12, {}, {{id, 12}}}, {0644, 1}};
  const auto put_it = [&](const std::vector<Receipt>& receipts) {
    return other->change([&](rpc::Change::Builder out) { to_capnp(Change{put}, out); }, receipts);
  };
  EXPECT_REFUSED(put_it({}), Errc::block_missing, id.hex());
  const auto receipt = client_->put_block(id.view(), "some content");
  ASSERT_TRUE(receipt);
  EXPECT_REFUSED(put_it({*receipt}), Errc::bad_receipt, "");
}

TEST_F(BadRequests, ReceiptsThatAreForgedOrForSomethingElse) {
  const auto id = sha256("some content");
  const auto good = client_->put_block(id.view(), "some content");
  ASSERT_TRUE(good);
  const auto with = [&](const std::function<void(Receipt&)>& spoil) {
    auto receipt = *good;
    spoil(receipt);
    PutFile put{{}, "new", EntryKind::file, {}, {12, {}, {{id, 12}}}, {0644, 1}};
    return client_->change([&](rpc::Change::Builder out) { to_capnp(Change{put}, out); }, {receipt});
  };
  EXPECT_REFUSED(with([](Receipt& r) { r.mac[0] = static_cast<char>(r.mac[0] ^ 1); }), Errc::bad_receipt, "");
  EXPECT_REFUSED(with([](Receipt& r) { r.mac.clear(); }), Errc::bad_receipt, "");
  EXPECT_REFUSED(with([](Receipt& r) { r.mac = std::string(1'000, 'x'); }), Errc::bad_receipt, "");
  EXPECT_REFUSED(with([](Receipt& r) { r.bytes = 13; }), Errc::bad_receipt, "");
  EXPECT_REFUSED(with([](Receipt& r) { r.block = sha256("never stored"); }), Errc::bad_receipt, "");
  EXPECT_REFUSED(with([](Receipt& r) { r.issued.millis += 1; }), Errc::bad_receipt, "");
}

TEST_F(BadRequests, ManifestsOverTheLimit) {
  const auto id = sha256("some content");
  Content content{0, {}, std::vector<BlockRef>(limits::max_manifest_blocks + 1, BlockRef{id, 12})};
  content.size = content.blocks.size() * 12;
  EXPECT_REFUSED(put(content), Errc::too_large, "blocks");
}

TEST_F(BadRequests, AManifestOfTenMillionElementsWithoutAByte) {
  // A list of Void costs nothing to send and stands for a list of any structs.
  EXPECT_REFUSED(client_->change([](rpc::Change::Builder out) {
    auto put = out.initPutFile();
    put.setName("new");
    auto content = put.initContent();
    content.setSize(10'000'000);
    auto pointers = capnp::toAny(content).getPointerSection();
    pointers[1].setAs<capnp::List<capnp::Void>>(
        capnp::AnyPointer::Builder(pointers[1]).initAs<capnp::List<capnp::Void>>(10'000'000).asReader());
  }), Errc::protocol, "limit");
}

TEST_F(BadRequests, SizesThatCannotBe) {
  const auto id = sha256("some content");
  for (const auto size : {std::uint64_t{0}, std::uint64_t{11}, std::uint64_t{13}, std::uint64_t{1} << 63,
                          ~std::uint64_t{0}, std::uint64_t{1} << 32 | 12}) {
    EXPECT_REFUSED(put({size, {}, {{id, 12}}}), Errc::size_mismatch, "size");
    EXPECT_REFUSED(put({size, "inline bytes", {}}), Errc::size_mismatch, "size");
  }
  EXPECT_FALSE(put({~std::uint64_t{0}, {}, {}}));
  EXPECT_FALSE(put({24, "some content", {{id, 12}}})) << "inline and blocks at once";
  for (const auto bytes : {0u, 13u, 0x80000000u, 0xffffffffu}) EXPECT_FALSE(put({bytes, {}, {{id, bytes}}})) << bytes;
}

TEST_F(BadRequests, Batches) {
  EXPECT_REFUSED(client_->commit(0, [](auto) {}), Errc::invalid_argument, "changes");
  EXPECT_REFUSED(client_->commit(1'001, [](auto) {}), Errc::too_large, "changes");
  EXPECT_REFUSED(client_->commit(1, [](auto) {}), Errc::invalid_argument, "changes");
  const auto id = client_->client_id;
  client_->client_id = 99;
  EXPECT_REFUSED(client_->make_folder("x"), Errc::permission_denied, "clientId");
  client_->client_id = id;
}

TEST_F(BadRequests, ReadsOutOfRange) {
  const auto read = [&](std::uint64_t offset, std::uint32_t bytes, std::uint32_t version) {
    auto request = client_->drive().readRequest();
    to_capnp(EntryRef{root_entry, "file"}, request.initEntry());
    request.setOffset(offset);
    request.setBytes(bytes);
    request.setVersion(version);
    return outcome<std::size_t>(io, request.send().then([](auto&& response) { return response.getBytes().size(); }));
  };
  EXPECT_REFUSED(read(0, limits::max_read_bytes + 1, 0), Errc::too_large, "bytes");
  EXPECT_REFUSED(read(0, 10, 9), Errc::not_found, "");
  EXPECT_EQ(*read(0, 100, 0), 12u);
  EXPECT_EQ(*read(12, 100, 0), 0u);
  EXPECT_EQ(*read(~std::uint64_t{0}, 100, 0), 0u);
  EXPECT_EQ(*read(5, 0, 0), 0u);
  EXPECT_EQ(*read(5, 3, 1), 3u);
}

TEST_F(BadRequests, EntriesOfOthersOpenNothing) {
  const auto other = sign_in("bob", 5);
  auto request = other->drive().statRequest();
  request.initEntry().setBase(client_->make_folder("x").value().entry.value);
  EXPECT_REFUSED(done(io, request.send()), Errc::not_found, "");
  before_ = state_of(*client_);
}

TEST_F(BadRequests, WatchesAndListsOverTheirLimits) {
  auto request = client_->drive().missingBlocksRequest();
  request.initIds(limits::max_missing_ids + 1);
  EXPECT_REFUSED(done(io, request.send()), Errc::too_large, "ids");
  auto changes = client_->drive().changesRequest();
  changes.setCursor(1'000'000);
  changes.setLimit(10);
  const auto beyond = done(io, changes.send());
  EXPECT_FALSE(beyond);
}

class Quota : public RawNode {};

TEST_F(Quota, IsNeverOvershotByAThousandParallelCommits) {
  constexpr std::uint64_t file_bytes = 1'000;
  config.accounts.default_quota_bytes = 1'000 * file_bytes - 1;
  start();
  std::vector<std::shared_ptr<RawClient>> devices;
  for (std::uint64_t id = 1; id <= 20; ++id) devices.push_back(sign_in("ada", id));
  kj::Vector<kj::Promise<Errc>> answers;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    auto& device = *devices[i % devices.size()];
    auto request = device.drive().commitRequest();
    auto commit = request.initCommit();
    commit.setClientId(device.client_id);
    commit.setSequence(++device.sequence);
    to_capnp(Change{PutFile{{},
                            "f" + std::to_string(i),
                            EntryKind::file,
                            {},
                            {file_bytes, std::string(file_bytes, 'x'), {}},
                            {0644, 1}}},
             commit.initChanges(1)[0]);
    answers.add(request.send().then([](auto&& response) {
      return static_cast<Errc>(response.getResults()[0].getError());
    }));
  }
  std::map<std::string_view, int> counts;
  for (auto& answer : answers) {
    const auto code = outcome<Errc>(io, kj::mv(answer));
    ASSERT_TRUE(code) << code.error().message;
    ++counts[*code == Errc{} ? "made" : to_string(*code)];
  }
  EXPECT_EQ(counts["made"], 999);
  EXPECT_EQ(counts["quota_exceeded"], 1);
  const auto usage = devices[0]->usage();
  EXPECT_EQ(usage.used_bytes, 999 * file_bytes);
  EXPECT_LE(usage.used_bytes, usage.quota_bytes);
  EXPECT_TRUE(devices[0]->put_inline("the rest", std::string(999, 'x')));
  EXPECT_REFUSED(devices[0]->put_inline("one more", "x"), Errc::quota_exceeded, "1 bytes");
  expect_serving();
}

}  // namespace
}  // namespace cairn::test
