// The machines as replicas see them: bytes in, bytes out, and what must stop a replica told apart from answers.
#include "cluster/state_machine.hpp"

#include "cluster/directory_commands.hpp"
#include "cluster/queries.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

const Command anna{Timestamp{1'000}, CreateAccount{"anna", "hash", 1'000}};

TEST(StateMachine, OfMetadataAppliesAndAnswers) {
  MapRows rows;
  const auto machine = make_state_machine(directory::ShardId{2}, rows, {});
  auto command = machine->decode(encode(anna));
  ASSERT_TRUE(command.ok());
  EXPECT_EQ((*command)->slot(), slot_of_login("anna"));
  storage::WriteBatch batch;
  const auto effect = machine->apply(**command, batch);
  ASSERT_TRUE(effect.ok());
  EXPECT_TRUE(std::holds_alternative<AccountCreated>(decode_command_result(effect->result).value()));
  rows.apply(batch);
  const auto found = machine->query(encode(Query(FindLogin{"anna"})));
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(std::holds_alternative<LoginFound>(decode_query_result(*found).value()));
}

TEST(StateMachine, TellsRotFromAnswers) {
  MapRows rows;
  const auto machine = make_state_machine(directory::ShardId{2}, rows, {});
  storage::WriteBatch batch;
  auto command = machine->decode(encode(anna));
  ASSERT_TRUE(machine->apply(**command, batch).ok());
  rows.apply(batch);
  for (const auto& [key, value] : std::map(rows.rows)) rows.rows[key] = "rot";
  const auto found = machine->query(encode(Query(FindLogin{"anna"})));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Errc::corrupt);
  const auto nobody = machine->query(encode(Query(GetUsage{make_account_id(Slot{3}, 1)})));
  ASSERT_TRUE(nobody.ok());
  EXPECT_EQ(std::get<Error>(decode_query_result(*nobody).value()).code, Errc::not_found);
}

TEST(StateMachine, AnswersWhatIsNoQueryWithAnError) {
  MapRows rows;
  const auto metadata = make_state_machine(directory::ShardId{2}, rows, {});
  EXPECT_EQ(metadata->decode("?").error().code, Errc::protocol);
  EXPECT_EQ(std::get<Error>(decode_query_result(metadata->query("?").value()).value()).code, Errc::protocol);
  const auto machine = make_state_machine(directory::directory_shard, rows, {});
  EXPECT_EQ(machine->decode("?").error().code, Errc::protocol);
  EXPECT_EQ(std::get<Error>(directory::decode_query_result(machine->query("?").value()).value()).code, Errc::protocol);
  const Error busy{Errc::busy, "later"};
  EXPECT_EQ(std::get<Error>(decode_command_result(metadata->command_error(busy)).value()), busy);
  EXPECT_EQ(std::get<Error>(decode_query_result(metadata->query_error(busy)).value()), busy);
  EXPECT_EQ(std::get<Error>(directory::decode_command_result(machine->command_error(busy)).value()), busy);
  EXPECT_EQ(std::get<Error>(directory::decode_query_result(machine->query_error(busy)).value()), busy);
}

TEST(StateMachine, OfMetadataHasHousekeeping) {
  MapRows rows;
  const auto machine = make_state_machine(directory::ShardId{2}, rows, {1'000, 1'000});
  EXPECT_FALSE(machine->due(Timestamp{1'000}));
  EXPECT_TRUE(machine->more_due(encode(CommandResult(TickDone{true}))));
  EXPECT_FALSE(machine->more_due(encode(CommandResult(TickDone{false}))));
  EXPECT_FALSE(machine->more_due(encode(CommandResult(Done{}))));
  EXPECT_FALSE(make_state_machine(directory::directory_shard, rows, {})->due(Timestamp{1'000}));
}

TEST(StateMachine, OfTheDirectoryHasNoSlots) {
  MapRows rows;
  const auto machine = make_state_machine(directory::directory_shard, rows, {});
  const auto command =
      machine->decode(directory::encode(directory::Command{Timestamp{1}, directory::RecordEvent{"a", "b"}}));
  ASSERT_TRUE(command.ok());
  EXPECT_FALSE((*command)->slot());
}

}  // namespace
}  // namespace cairn::cluster
