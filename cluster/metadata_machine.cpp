#include "cluster/metadata_machine.hpp"

#include "cluster/answers.hpp"
#include "cluster/apply.hpp"
#include "cluster/drive_view.hpp"

namespace cairn::cluster {

Result<Applied> MetadataMachine::apply(const Command& command, storage::WriteBatch& batch) {
  RowTransaction rows(rows_, batch);
  auto applied = std::visit(
      [&](const auto& body) { return cluster::apply(body, command.now, rows); }, command.body);
  if (applied.ok()) {
    rows.commit();
    return applied;
  }
  // What the client did wrong is an outcome like any other, and it changed nothing.
  if (is_answer(applied.error().code)) return Applied{applied.error(), {}, {}};
  return applied;
}

bool MetadataMachine::tick_due(Timestamp now, const Tick& tick) {
  const auto due = cluster::tick_due(tick, now, rows_);
  // Rows that cannot be read are for the Tick itself to report.
  return !due.ok() || *due;
}

QueryResult MetadataMachine::query(const Query& query) {
  return std::visit([&](const auto& one) { return answer(one, rows_); }, query);
}

}  // namespace cairn::cluster
