// Trees to a drive and back: everything that can be kept is the same, what cannot is named, and nothing
// is sent twice, whatever breaks in between.
#include "client/transfer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/client/folders.hpp"
#include "tests/client/memory_server.hpp"

namespace cairn::client {
namespace {

/// Small blocks, so that small files have many.
TransferOptions small_blocks() {
  TransferOptions options;
  options.bounds = {8'192, 16'384, 65'536};
  options.threads = 2;
  return options;
}

class TransferTest : public testing::Test {
 protected:
  TransferTest() { server_.start(); in_ = sign_in(server_); }

  Report put(const std::string& local, const std::string& remote, TransferOptions options = small_blocks()) {
    auto report = upload(*in_.drive, local, remote, options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (!report.ok()) return {};
    for (const auto& note : report->failed) ADD_FAILURE() << note.path << ": " << note.reason;
    return *report;
  }
  Report get(const std::string& remote, const std::string& local, TransferOptions options = small_blocks()) {
    auto report = download(*in_.drive, {root_entry, remote}, local, options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : Report{};
  }
  void fill(const std::string& top) {
    write_file(top + "/empty", "");
    write_file(top + "/small", "hello", 0600);
    write_file(top + "/at limit", pseudo_random(4'096, 1));
    write_file(top + "/over limit", pseudo_random(4'097, 2), 0755);
    write_file(top + "/old", "x", 04711, 1);
    write_file(top + "/a/large", pseudo_random(1'000'000, 3));
    write_file(top + "/a/b/c/d/deep", "deep");
    write_file(top + "/names/\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80 'quoted\" \\back\nline", "odd name");
    write_file(top + "/names/" + std::string(255, 'n'), "long name");
    make_link(top + "/link", "a/b");
    make_link(top + "/dangling", "/no/such/place");
    for (int i = 0; i < 150; ++i)
      write_file(top + "/many/" + std::to_string(i),
                 pseudo_random(static_cast<std::size_t>(i) * 61, 50u + static_cast<unsigned>(i)));
    make_folder(top + "/many", 0750);
    make_folder(top + "/empty folder", 0700);
    make_folder(top + "/read only", 0555);
    for (const auto* folder : {"/a/b/c/d", "/a/b/c", "/a/b", "/a", "/names"}) set_time(top + folder, 0);
  }

  MemoryServer server_;
  SignedIn in_;
  TemporaryFolder folder_;
};

TEST_F(TransferTest, ATreeSurvivesTheTrip) {
  const auto from = folder_ / "from";
  fill(from);
  const auto sent = put(from, "tree");
  EXPECT_TRUE(sent.skipped.empty()) << sent.skipped[0].path << sent.skipped[0].reason;
  EXPECT_EQ(sent.files, 159u);
  EXPECT_EQ(sent.links, 2u);
  EXPECT_EQ(sent.folders, 9u);
  const auto got = get("tree", folder_ / "to");
  EXPECT_EQ(got.files, 159u);
  EXPECT_TRUE(got.failed.empty());
  EXPECT_EQ(contents(from), contents(folder_ / "to"));
}

TEST_F(TransferTest, ASecondUploadSendsNothing) {
  const auto from = folder_ / "from";
  fill(from);
  put(from, "tree");
  const auto blocks = server_.drive.blocks_put();
  const auto commits = server_.drive.commits_applied();
  const auto again = put(from, "tree");
  EXPECT_EQ(again.unchanged, 161u);
  EXPECT_EQ(again.bytes_moved, 0u);
  EXPECT_EQ(server_.drive.commits_applied(), commits);
  auto options = small_blocks();
  options.checksum = true;
  const auto checked = put(from, "tree", options);
  EXPECT_EQ(checked.unchanged, 161u);
  EXPECT_EQ(checked.blocks_moved, 0u);
  EXPECT_EQ(server_.drive.blocks_put(), blocks);
  const auto got = get("tree", folder_ / "to");
  const auto got_again = get("tree", folder_ / "to");
  EXPECT_EQ(got.files, got_again.unchanged - got.links);
  EXPECT_EQ(got_again.bytes_moved, 0u);
}

TEST_F(TransferTest, AnInsertedByteSendsTwoBlocksAtMost) {
  auto bytes = pseudo_random(3'000'000, 9);
  write_file(folder_ / "f", bytes);
  put(folder_ / "f", "f");
  bytes.insert(0, "x");
  write_file(folder_ / "f", bytes, 0644, 77);
  const auto report = put(folder_ / "f", "f");
  EXPECT_EQ(report.files, 1u);
  EXPECT_GE(report.blocks_moved, 1u);
  EXPECT_LE(report.blocks_moved, 2u);
  EXPECT_EQ(in_.drive->stat({root_entry, "f"})->version, VersionNumber{2});
  EXPECT_EQ(in_.drive->versions({root_entry, "f"})->size(), 2u);
  get("f", folder_ / "g");
  EXPECT_EQ(read_file(folder_ / "g"), bytes);
  const auto old = download_version(*in_.drive, {root_entry, "f"}, VersionNumber{1}, folder_ / "old");
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(read_file(folder_ / "old"), bytes.substr(1));
  EXPECT_EQ(download_version(*in_.drive, {root_entry, "f"}, VersionNumber{9}, folder_ / "old").error().code,
            Errc::not_found);
}

TEST_F(TransferTest, EqualContentIsSentOnce) {
  const auto bytes = pseudo_random(200'000, 4);
  for (int i = 0; i < 20; ++i) write_file(folder_ / "from/" + std::to_string(i), bytes);
  const auto report = put(folder_ / "from", "tree");
  EXPECT_LT(report.blocks_moved, 26u);
  EXPECT_EQ(report.blocks_moved, server_.drive.blocks_put());
  EXPECT_EQ(report.bytes_moved, 200'000u);
}

TEST_F(TransferTest, WhatCannotBeKeptIsNamed) {
  const auto top = folder_ / "from";
  write_file(top + "/kept", "kept");
  write_file(top + "/hard 1", "same");
  ASSERT_EQ(link((top + "/hard 1").c_str(), (top + "/hard 2").c_str()), 0);
  ASSERT_EQ(mkfifo((top + "/pipe").c_str(), 0600), 0);
  write_file(top + "/bad \xff name", "x");
  write_file(top + "/cafe\xcc\x81", "decomposed");
  write_file(top + "/two \xc3\xa9", "composed");
  write_file(top + "/two e\xcc\x81", "decomposed");
  const int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (top + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(unix_socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(unix_socket);
  const bool has_xattr = setxattr((top + "/kept").c_str(), "user.note", "x", 1, 0) == 0;

  const auto report = put(top, "tree");
  std::map<std::string, std::string> notes;
  for (const auto& note : report.skipped) notes[note.path] = note.reason;
  EXPECT_EQ(notes.size(), has_xattr ? 8u : 7u);
  EXPECT_NE(notes["hard 2"].find("hard link to hard 1"), std::string::npos);
  EXPECT_NE(notes["pipe"].find("named pipe"), std::string::npos);
  EXPECT_NE(notes["socket"].find("socket"), std::string::npos);
  EXPECT_NE(notes["bad \\xff name"].find("UTF-8"), std::string::npos);
  EXPECT_NE(notes["cafe\xcc\x81"].find("NFC"), std::string::npos);
  EXPECT_NE(notes["two \xc3\xa9"].find("same in NFC"), std::string::npos);
  if (has_xattr) {
    EXPECT_NE(notes["kept"].find("user.note"), std::string::npos);
  }
  const auto files = server_.drive.files();
  EXPECT_EQ(files.at("tree/hard 2"), "same");
  EXPECT_EQ(files.at("tree/caf\xc3\xa9"), "decomposed");
}

TEST_F(TransferTest, AnExistingFileIsReplacedOnlyIfTold) {
  write_file(folder_ / "from/f", "new");
  put(folder_ / "from", "tree");
  write_file(folder_ / "to/f", "mine");
  const auto refused = get("tree", folder_ / "to");
  ASSERT_EQ(refused.failed.size(), 1u);
  EXPECT_EQ(refused.failed[0].code, Errc::already_exists);
  EXPECT_EQ(read_file(folder_ / "to/f"), "mine");
  auto options = small_blocks();
  options.replace = true;
  EXPECT_EQ(get("tree", folder_ / "to", options).files, 1u);
  EXPECT_EQ(read_file(folder_ / "to/f"), "new");
  // Equal content gets only its attributes.
  write_file(folder_ / "to/f", "new", 0600, 5);
  EXPECT_EQ(get("tree", folder_ / "to").unchanged, 1u);
  EXPECT_EQ(contents(folder_ / "from"), contents(folder_ / "to"));
}

TEST_F(TransferTest, NothingIsWrittenThroughALink) {
  write_file(folder_ / "from/sub/f", "secret");
  put(folder_ / "from", "tree");
  make_folder(folder_ / "outside");
  make_folder(folder_ / "to");
  make_link(folder_ / "to/sub", folder_ / "outside");
  auto options = small_blocks();
  options.replace = true;
  const auto report = get("tree", folder_ / "to", options);
  ASSERT_EQ(report.failed.size(), 1u);
  EXPECT_EQ(report.failed[0].path, "sub");
  EXPECT_TRUE(contents(folder_ / "outside").empty());

  make_folder(folder_ / "to2/sub");
  make_link(folder_ / "to2/sub/f", folder_ / "outside/f");
  get("tree", folder_ / "to2", options);
  EXPECT_FALSE(exists(folder_ / "outside/f"));
  EXPECT_EQ(read_file(folder_ / "to2/sub/f"), "secret");
}

TEST_F(TransferTest, FilesTakeEachOthersPlaceWithoutLoss) {
  write_file(folder_ / "from/f", "one");
  put(folder_ / "from", "tree");
  // Somebody else stores another version after we listed: simulated by a file that is new to us.
  write_file(folder_ / "other/f", "two");
  ASSERT_TRUE(in_.drive->commit_one(Move{{root_entry, "tree/f"}, {root_entry, "tree"}, "g"}).ok());
  ASSERT_TRUE(in_.drive->commit_one(MakeFolder{{root_entry, "tree"}, "f", {}}).ok());
  const auto report = put(folder_ / "other/f", "tree/f");
  ASSERT_EQ(report.conflicts.size(), 1u);
  EXPECT_EQ(server_.drive.files().at("tree/" + report.conflicts[0].reason), "two");
}

TEST_F(TransferTest, BadTargetsAreErrorsOfTheWhole) {
  EXPECT_EQ(upload(*in_.drive, folder_ / "nothing", "x").error().code, Errc::not_found);
  write_file(folder_ / "f", "x");
  EXPECT_EQ(upload(*in_.drive, folder_ / "f", "").error().code, Errc::not_a_folder);
  EXPECT_EQ(upload(*in_.drive, folder_ / "f", "no/such/f").error().code, Errc::not_found);
  EXPECT_EQ(upload(*in_.drive, folder_ / "f", "a/../f").error().code, Errc::invalid_name);
  auto options = small_blocks();
  options.make_parents = true;
  EXPECT_EQ(put(folder_ / "f", "no/such/f", options).files, 1u);
  EXPECT_EQ(upload(*in_.drive, folder_ / "f", "no/such/f/g").error().code, Errc::not_a_folder);
  EXPECT_EQ(download(*in_.drive, {root_entry, "none"}, folder_ / "y").error().code, Errc::not_found);
  EXPECT_EQ(download(*in_.drive, {root_entry, "no/such/f"}, folder_ / "no/y").error().code, Errc::not_found);
}

TEST_F(TransferTest, ABlockOfOtherBytesIsNotWritten) {
  const auto bytes = pseudo_random(100'000, 5);
  write_file(folder_ / "f", bytes);
  put(folder_ / "f", "f");
  // The same sizes under other ids: the blocks that come do not hash to what the manifest says.
  auto content = in_.drive->manifest({root_entry, "f"})->content;
  server_.drive.corrupt(content.blocks[1].id);
  const auto report = get("f", folder_ / "g");
  ASSERT_EQ(report.failed.size(), 1u);
  EXPECT_EQ(report.failed[0].code, Errc::block_mismatch);
  EXPECT_FALSE(exists(folder_ / "g"));
  EXPECT_EQ(contents(folder_.path()).size(), 1u) << "no temporary file is left";
}

TEST_F(TransferTest, BlocksOfTheReplacedFileAreReused) {
  auto bytes = pseudo_random(2'000'000, 6);
  write_file(folder_ / "f", bytes);
  bytes.insert(1'000'000, "inserted");
  write_file(folder_ / "new", bytes);
  put(folder_ / "new", "f");
  auto options = small_blocks();
  options.replace = true;
  const auto report = get("f", folder_ / "f", options);
  EXPECT_EQ(report.files, 1u);
  EXPECT_LE(report.blocks_moved, 3u);
  EXPECT_EQ(read_file(folder_ / "f"), bytes);
}

TEST_F(TransferTest, ABlockThatVanishedIsSentAgain) {
  const auto bytes = pseudo_random(50'000, 8);
  write_file(folder_ / "f", bytes);
  server_.drive.pretend_to_have(content_of(bytes, small_blocks().bounds).blocks[0].id);
  const auto report = put(folder_ / "f", "f");
  EXPECT_EQ(report.files, 1u);
  EXPECT_EQ(server_.drive.files().at("f"), bytes);
}

TEST_F(TransferTest, CancelStopsIt) {
  for (int i = 0; i < 200; ++i)
    write_file(folder_ / "from/" + std::to_string(i), pseudo_random(30'000, static_cast<unsigned>(i)));
  std::atomic<bool> cancel = true;
  auto options = small_blocks();
  options.cancel = &cancel;
  EXPECT_EQ(upload(*in_.drive, folder_ / "from", "tree", options).error().code, Errc::cancelled);
  cancel = false;
  put(folder_ / "from", "tree", options);
  cancel = true;
  EXPECT_EQ(download(*in_.drive, {root_entry, "tree"}, folder_ / "to", options).error().code, Errc::cancelled);
}

TEST_F(TransferTest, ProgressEndsAtTheTotals) {
  fill(folder_ / "from");
  Progress last;
  auto options = small_blocks();
  options.progress = [&](const Progress& progress) {
    EXPECT_GE(progress.files_found, progress.files_done);
    last = progress;
  };
  const auto report = put(folder_ / "from", "tree", options);
  EXPECT_EQ(last.files_done, 161u);
  EXPECT_EQ(last.files_found, 161u);
  EXPECT_EQ(last.bytes_done, report.bytes);
  EXPECT_EQ(last.bytes_moved, report.bytes_moved);
  EXPECT_FALSE(last.walking);
}

/// Connections are lost at every few calls, on both ways, and the server goes away now and then.
TEST(TransferChaos, FinishesAndComparesEqual) {
  MemoryServer server;
  std::atomic<unsigned> count = 0;
  server.fate = [&](const std::string& method) {
    if (method == "signIn" || method == "resume") return Fate::answer;
    const auto n = ++count;
    if (n % 151 == 0) return Fate::lose_answer;
    if (n % 211 == 0) return Fate::lose_request;
    return n % 17 == 0 ? Fate::busy : Fate::answer;
  };
  server.start();
  auto in = sign_in(server);
  TemporaryFolder folder;
  for (int i = 0; i < 300; ++i)
    write_file(folder / "from/" + std::to_string(i % 7) + "/" + std::to_string(i),
               pseudo_random(static_cast<std::size_t>(i) * 300, static_cast<unsigned>(i)));
  std::atomic<bool> running = true;
  std::thread chaos([&] { server.restart_every(700, running); });
  const auto sent = upload(*in.drive, folder / "from", "tree", small_blocks());
  const auto got = sent.ok() ? download(*in.drive, {root_entry, "tree"}, folder / "to", small_blocks()) : sent;
  running = false;
  EXPECT_TRUE(in.drive->usage().ok());  // wakes it
  chaos.join();
  ASSERT_TRUE(sent.ok()) << sent.error().message;
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_TRUE(sent->failed.empty() && got->failed.empty() && sent->conflicts.empty());
  auto expected = contents(folder / "from");
  EXPECT_EQ(expected, contents(folder / "to"));
  EXPECT_EQ(server.drive.files().size(), 300u + 7 + 1) << "nothing is stored twice";
}

}  // namespace
}  // namespace cairn::client
