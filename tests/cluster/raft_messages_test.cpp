// The one form of each message between replicas and of a configuration in the log, byte for byte.
#include <gtest/gtest.h>

#include "cluster/raft_messages.hpp"
#include "tests/cluster/golden.hpp"

namespace cairn::cluster {
namespace {

Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration out;
  for (const auto id : ids) out = out.with_voter(ReplicaId{id});
  return out;
}

struct Form {
  MessageBody body;
  std::string hex;   ///< after from 1, to 300, term 3
};

std::vector<Form> forms() {
  const auto configuration = voters({1, 2}).with_learner(ReplicaId{3});
  return {
      {VoteRequest{true, false, 7, 2}, "01 01 00 07 02"},
      {VoteRequest{false, true, 300, 2}, "01 00 01 ac02 02"},
      {VoteAnswer{false, true}, "02 00 01"},
      {Append{4, 2, 4, 9, {}}, "03 04 02 04 09 00"},
      {Append{4, 2, 4, 9, {{5, 3, 2, "ab"}, {6, 3, 1, ""}}}, "03 04 02 04 09 02 05 03 02 02 6162 06 03 01 00"},
      {AppendAnswer{true, 6, 0, 9}, "04 01 06 00 09"},
      {AppendAnswer{false, 6, 3, 9}, "04 00 06 03 09"},
      {Heartbeat{4, 9, true}, "05 04 09 01"},
      {HeartbeatAnswer{9}, "06 09"},
      {SnapshotChunk{8, {6, 3, configuration}, 5, true, 0x01020304, 9, "xyz"},
       "07 08 06 03 05 0201020103 05 01 01020304 09 03 78797a"},
      {SnapshotAnswer{8, 5, false, 9}, "08 08 05 00 09"},
      {SnapshotAnswer{8, 0, true, 9}, "08 08 00 01 09"},
      {TransferNow{}, "09"},
  };
}

TEST(RaftMessages, HaveOneForm) {
  std::set<std::size_t> kinds;
  for (const auto& form : forms()) {
    const Message message{ReplicaId{1}, ReplicaId{300}, 3, form.body};
    SCOPED_TRACE(describe(message));
    const auto bytes = encode(message);
    expect_golden(bytes, "01 ac02 03 " + form.hex);
    kinds.insert(form.body.index());
    EXPECT_EQ(decode_message(bytes).value(), message);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_message(bytes.substr(0, cut)).ok());
    EXPECT_FALSE(decode_message(bytes + "x").ok());
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<MessageBody>) << "each kind has its golden bytes";
}

TEST(RaftMessages, RefuseWhatNoLeaderSends) {
  struct Case {
    const char* what;
    MessageBody body;
  };
  const Case cases[] = {{"an entry that does not follow", Append{4, 2, 4, 9, {{6, 3, 2, ""}}}},
                        {"a term that goes back", Append{4, 2, 4, 9, {{5, 1, 2, ""}}}},
                        {"a gap", Append{4, 2, 4, 9, {{5, 3, 2, ""}, {7, 3, 2, ""}}}}};
  for (const auto& c : cases)
    EXPECT_FALSE(decode_message(encode({ReplicaId{1}, ReplicaId{2}, 3, c.body})).ok()) << c.what;
  EXPECT_FALSE(decode_message(Bytes("\x01\x02\x03\x0a", 4)).ok()) << "a kind that there is not";
  EXPECT_FALSE(decode_message(Bytes("\x01\x02\x03\x02\x02\x00", 6)).ok()) << "a truth that is neither";
}

TEST(RaftConfiguration, HasOneForm) {
  expect_golden(encode(voters({1, 2}).with_learner(ReplicaId{3})), "02 01 02 01 03");
  expect_golden(encode(voters({1, 300})), "02 01 ac02 00");
}

TEST(RaftConfiguration, RefusesBytesOfAnotherForm) {
  for (const auto& bytes : {std::string("\x02\x02\x01\x00", 4), std::string("\x01\x01\x01\x01", 4),
                            std::string("\x01\x00\x00", 3), std::string("\xff\xff", 2)})
    EXPECT_FALSE(decode_configuration(bytes).ok());
  EXPECT_TRUE(one_voter_apart(voters({1, 2}), voters({1, 2, 3})));
  EXPECT_FALSE(one_voter_apart(voters({1, 2}), voters({1, 3})));
}

}  // namespace
}  // namespace cairn::cluster
