// Model values survive their Cap'n Proto form, and what breaks a rule is refused by its field.
#include "protocol/model_capnp.hpp"

#include <capnp/message.h>
#include <gtest/gtest.h>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn {
namespace {

using namespace std::string_literals;

template <class Schema, class Value>
auto round_trip(const Value& value) {
  capnp::MallocMessageBuilder message;
  auto builder = message.initRoot<Schema>();
  to_capnp(value, builder);
  return from_capnp(builder.asReader());
}

std::vector<Change> every_kind_of_change() {
  const EntryRef ref{EntryId{7}, "a/b"};
  const Attributes attributes{0755, -5'000'000'001};
  return {
      MakeFolder{ref, "folder", attributes},
      PutFile{ref, "file", EntryKind::file, {EntryId{9}, VersionNumber{3}},
              {.size = 8'388'608, .inline_bytes = {}, .blocks = {{sha256("1"), 4'194'304}, {sha256("2"), 4'194'304}}},
              attributes},
      PutFile{ref, "small", EntryKind::file, {}, {.size = 3, .inline_bytes = "a\0b"s, .blocks = {}}, attributes},
      PutFile{ref, "empty", EntryKind::file, {}, {}, {}},
      PutFile{ref, "link", EntryKind::symlink, {}, {.size = 4, .inline_bytes = "../x", .blocks = {}}, attributes},
      SetAttributes{ref, attributes},
      Move{ref, {root_entry, ""}, "na\0me\xff"s},
      Remove{ref, VersionNumber{~0u}},
      Restore{EntryId{~0ull}},
      Revert{ref, VersionNumber{2}},
      Purge{EntryId{0}},
  };
}

Entry sample_entry(std::uint64_t id) {
  return {.id = EntryId{id},
          .parent = root_entry,
          .name = "name " + std::to_string(id),
          .kind = EntryKind::symlink,
          .version = VersionNumber{4},
          .size = 1ull << 40,
          .attributes = {07777, 1'700'000'000'123'456'789},
          .committed_at = {1'700'000'000'000},
          .changed = Cursor{99},
          .trashed = true};
}

TEST(ModelCapnp, EveryKindOfChangeSurvives) {
  const auto changes = every_kind_of_change();
  std::vector<bool> seen(std::variant_size_v<Change>);
  for (const auto& change : changes) {
    seen[change.index()] = true;
    const auto back = round_trip<rpc::Change>(change);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(*back, change) << change.index();
  }
  EXPECT_EQ(seen, std::vector<bool>(std::variant_size_v<Change>, true));
}

TEST(ModelCapnp, CommitsSurvive) {
  const AccountId account{77};
  Commit commit{{ClientId{5}, 6}, 4, every_kind_of_change(), {}};
  commit.receipts = {{sha256("1"), 4'194'304, account, {123}, Bytes(32, 'm')}};
  capnp::MallocMessageBuilder message;
  auto builder = message.initRoot<rpc::Commit>();
  to_capnp(commit, builder);
  const auto back = from_capnp(builder.asReader(), account);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->request, commit.request);
  EXPECT_EQ(back->acknowledged, 4u);
  EXPECT_EQ(back->changes, commit.changes);
  EXPECT_EQ(back->receipts, commit.receipts);
}

TEST(ModelCapnp, AnswersSurvive) {
  const auto entry = sample_entry(3);
  EXPECT_EQ(*round_trip<rpc::Entry>(entry), entry);

  const auto page = round_trip<rpc::EntryPage>(EntryPage{{sample_entry(1), sample_entry(2)}, "next"});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->entries, (std::vector{sample_entry(1), sample_entry(2)}));
  EXPECT_EQ(page->next, "next");

  const ChangePage feed{{{Cursor{4}, EntryId{1}, sample_entry(1)}, {Cursor{6}, EntryId{2}, {}}}, Cursor{6}, true};
  const auto feed_back = round_trip<rpc::ChangePage>(feed);
  ASSERT_TRUE(feed_back.ok());
  ASSERT_EQ(feed_back->events.size(), 2u);
  EXPECT_EQ(feed_back->events[0].now, feed.events[0].now);
  EXPECT_EQ(feed_back->events[1].now, std::nullopt);
  EXPECT_EQ(feed_back->events[1].entry, EntryId{2});
  EXPECT_EQ(feed_back->cursor, Cursor{6});
  EXPECT_TRUE(feed_back->more);

  const ChangeResult good{{}, Outcome::conflicted, EntryId{8}, VersionNumber{9}, "other name"};
  const ChangeResult bad{Error{Errc::quota_exceeded, "full"}, Outcome::unchanged, EntryId{8}, {}, ""};
  EXPECT_EQ(round_trip<rpc::ChangeResult>(good), good);
  EXPECT_EQ(round_trip<rpc::ChangeResult>(bad), bad);

  const Version version{VersionNumber{2}, 3, {0644, 5}, {6}, "laptop"};
  EXPECT_EQ(round_trip<rpc::Version>(version), version);
  const auto usage = round_trip<rpc::Usage>(Usage{1, 2, 3});
  EXPECT_EQ(usage.used_bytes + 10 * usage.quota_bytes + 100 * usage.entries, 321u);
  const auto device = round_trip<rpc::Device>(Device{ClientId{1}, "phone", {2}, true});
  EXPECT_EQ(device.client, ClientId{1});
  EXPECT_EQ(device.name, "phone");
  EXPECT_TRUE(device.revoked);
}

TEST(ModelCapnp, BlockIdsOfAnotherLengthAreRefusedByField) {
  for (const unsigned size : {0u, 31u, 33u, 64u}) {
    capnp::MallocMessageBuilder message;
    auto commit = message.initRoot<rpc::Commit>();
    auto blocks = commit.initChanges(1)[0].initPutFile().initContent().initBlocks(2);
    blocks[0].setId(capnp::Data::Reader(reinterpret_cast<const kj::byte*>(Bytes(32, 'x').data()), 32));
    blocks[1].initId(size);
    const auto result = from_capnp(commit.asReader(), AccountId{1});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::invalid_argument);
    EXPECT_EQ(result.error().message.rfind("changes[0].putFile.content.blocks[1].id:", 0), 0u)
        << result.error().message;

    capnp::MallocMessageBuilder ids_message;
    auto ids = ids_message.initRoot<capnp::List<capnp::Data>>(1);
    ids.init(0, size);
    EXPECT_EQ(block_ids_from_capnp(ids.asReader()).error().code, Errc::invalid_argument);

    capnp::MallocMessageBuilder receipt_message;
    auto receipt = receipt_message.initRoot<rpc::Receipt>();
    receipt.initBlock(size);
    receipt.initMac(32);
    EXPECT_EQ(from_capnp(receipt.asReader(), AccountId{1}).error().code, Errc::invalid_argument);
  }
}

TEST(ModelCapnp, ReceiptsNeedAWholeMac) {
  capnp::MallocMessageBuilder message;
  auto receipt = message.initRoot<rpc::Receipt>();
  receipt.initBlock(32);
  receipt.initMac(31);
  EXPECT_EQ(from_capnp(receipt.asReader(), AccountId{1}).error().code, Errc::bad_receipt);
}

TEST(ModelCapnp, ListsOverTheirLimitAreRefused) {
  capnp::MallocMessageBuilder message;
  auto commit = message.initRoot<rpc::Commit>();
  EXPECT_EQ(from_capnp(commit.asReader(), AccountId{1}).error().code, Errc::invalid_argument);
  commit.initChanges(limits::max_changes_per_commit + 1);
  EXPECT_EQ(from_capnp(commit.asReader(), AccountId{1}).error().code, Errc::too_large);
  commit.initChanges(1);
  commit.initReceipts(limits::max_manifest_blocks + 1);
  EXPECT_EQ(from_capnp(commit.asReader(), AccountId{1}).error().code, Errc::too_large);

  capnp::MallocMessageBuilder content_message;
  auto content = content_message.initRoot<rpc::Content>();
  content.initBlocks(limits::max_manifest_blocks + 1);
  EXPECT_EQ(from_capnp(content.asReader()).error().code, Errc::too_large);
  content.initBlocks(0);
  content.initInlineBytes(limits::max_inline_bytes + 1);
  EXPECT_EQ(from_capnp(content.asReader()).error().code, Errc::too_large);

  capnp::MallocMessageBuilder ids_message;
  auto ids = ids_message.initRoot<capnp::List<capnp::Data>>(limits::max_missing_ids + 1);
  EXPECT_EQ(block_ids_from_capnp(ids.asReader()).error().code, Errc::too_large);

  capnp::MallocMessageBuilder page_message;
  auto page = page_message.initRoot<rpc::EntryPage>();
  page.initEntries(limits::max_list_page + 1);
  EXPECT_EQ(from_capnp(page.asReader()).error().code, Errc::too_large);
  capnp::MallocMessageBuilder feed_message;
  auto feed = feed_message.initRoot<rpc::ChangePage>();
  feed.initEvents(limits::max_list_page + 1);
  EXPECT_EQ(from_capnp(feed.asReader()).error().code, Errc::too_large);

  capnp::MallocMessageBuilder ref_message;
  auto ref = ref_message.initRoot<rpc::EntryRef>();
  ref.initPath(limits::max_path_bytes + 1);
  EXPECT_EQ(from_capnp(ref.asReader()).error().code, Errc::too_large);
}

TEST(ModelCapnp, KindsOutsideTheListAreRefused) {
  capnp::MallocMessageBuilder message;
  auto change = message.initRoot<rpc::Change>();
  change.setUnknown();
  EXPECT_EQ(from_capnp(change.asReader()).error().code, Errc::invalid_argument);
  change.initPutFile().setKind(static_cast<rpc::EntryKind>(9));
  EXPECT_EQ(from_capnp(change.asReader()).error().code, Errc::invalid_argument);

  capnp::MallocMessageBuilder entry_message;
  auto entry = entry_message.initRoot<rpc::Entry>();
  EXPECT_EQ(from_capnp(entry.asReader()).error().code, Errc::invalid_argument);

  capnp::MallocMessageBuilder result_message;
  auto result = result_message.initRoot<rpc::ChangeResult>();
  result.setOutcome(200);
  result.setError(65'535);
  EXPECT_EQ(from_capnp(result.asReader()).error->code, Errc::internal);
}

}  // namespace
}  // namespace cairn
