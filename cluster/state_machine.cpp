#include "cluster/state_machine.hpp"

#include "cluster/directory_machine.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/queries.hpp"

namespace cairn::cluster {
namespace {

bool is_of_rows(Errc code) { return code == Errc::corrupt || code == Errc::io; }

template <class Command>
struct Decoded final : MachineCommand {
  explicit Decoded(Command c) : command(std::move(c)) {}
  std::optional<Slot> slot() const override {
    if constexpr (std::is_same_v<Command, cluster::Command>)
      return slot_of(command);
    else
      return std::nullopt;
  }
  Command command;
};

template <class Command>
Result<std::unique_ptr<MachineCommand>> decoded(Result<Command> command) {
  if (!command) return command.error();
  return std::unique_ptr<MachineCommand>(std::make_unique<Decoded<Command>>(std::move(*command)));
}

template <class QueryResult>
Result<Bytes> encoded(const QueryResult& result) {
  if (const auto* error = std::get_if<Error>(&result); error && is_of_rows(error->code)) return *error;
  return encode(result);
}

class Metadata final : public StateMachine {
 public:
  Metadata(storage::RowReader& rows, const Tick& tick) : machine_(rows), tick_(tick) {}

  Result<std::unique_ptr<MachineCommand>> decode(BytesView command) const override {
    return decoded(decode_command(command));
  }
  Result<Effect> apply(MachineCommand& command, storage::WriteBatch& batch) override {
    auto applied = machine_.apply(static_cast<Decoded<Command>&>(command).command, batch);
    if (!applied) return applied.error();
    return Effect{encode(applied->result), applied->changed, applied->cursor};
  }
  Result<Bytes> query(BytesView query) override {
    const auto asked = decode_query(query);
    return asked ? encoded(machine_.query(*asked)) : query_error(asked.error());
  }
  std::optional<Bytes> due(Timestamp now) override {
    if (!machine_.tick_due(now, tick_)) return std::nullopt;
    return encode(Command{now, tick_});
  }
  bool more_due(BytesView result) const override {
    const auto answered = decode_command_result(result);
    const auto* done = answered ? std::get_if<TickDone>(&*answered) : nullptr;
    return done && done->more;
  }
  Bytes command_error(const Error& error) const override { return encode(CommandResult(error)); }
  Bytes query_error(const Error& error) const override { return encode(QueryResult(error)); }

 private:
  MetadataMachine machine_;
  Tick tick_;
};

class Directory final : public StateMachine {
 public:
  explicit Directory(storage::RowReader& rows) : machine_(rows) {}

  Result<std::unique_ptr<MachineCommand>> decode(BytesView command) const override {
    return decoded(directory::decode_command(command));
  }
  Result<Effect> apply(MachineCommand& command, storage::WriteBatch& batch) override {
    auto applied = machine_.apply(static_cast<Decoded<directory::Command>&>(command).command, batch);
    if (!applied) return applied.error();
    return Effect{directory::encode(applied->result), {}, {}};
  }
  Result<Bytes> query(BytesView query) override {
    const auto asked = directory::decode_query(query);
    return asked ? encoded(machine_.query(*asked)) : query_error(asked.error());
  }
  std::optional<Bytes> due(Timestamp) override { return std::nullopt; }
  bool more_due(BytesView) const override { return false; }
  Bytes command_error(const Error& error) const override { return directory::encode(directory::CommandResult(error)); }
  Bytes query_error(const Error& error) const override { return directory::encode(directory::QueryResult(error)); }

 private:
  directory::DirectoryMachine machine_;
};

}  // namespace

std::unique_ptr<StateMachine> make_state_machine(directory::ShardId shard, storage::RowReader& rows, const Tick& tick) {
  if (shard == directory::directory_shard) return std::make_unique<Directory>(rows);
  return std::make_unique<Metadata>(rows, tick);
}

}  // namespace cairn::cluster
