#include "cluster/directory_machine.hpp"

#include <algorithm>

#include "cluster/directory_apply.hpp"
#include "cluster/directory_settings.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster::directory {

bool is_refusal(Errc code) { return code != Errc::corrupt && code != Errc::io; }

Epoch DirectoryChange::begin(const std::string& what, const std::string& why) {
  begun_ = true;
  ++head_.epoch.value;
  const auto number = head_.next_event++;
  const auto cut = [](const std::string& text) { return printable(text, limits::max_event_text_bytes); };
  rows_.put(event_key(number), encode_row(Event{number, now_, cut(what), cut(why)}));
  while (head_.next_event - head_.first_event > limits::max_directory_events)
    rows_.erase(event_key(head_.first_event++));
  return head_.epoch;
}

void DirectoryChange::put(Node node) {
  node.changed = head_.epoch;
  rows_.put(node_key(node.name), encode_row(node));
}

void DirectoryChange::put(Shard shard) {
  shard.changed = head_.epoch;
  rows_.put(shard_key(shard.id), encode_row(shard));
}

void DirectoryChange::finish() {
  if (!begun_) return;
  head_.clock = now_;
  rows_.put(head_key(), encode_row(head_));
}

Result<void> check_expected(const std::string& what, Epoch changed, Epoch expected, const char* field) {
  if (expected.value == 0 || expected == changed) return {};
  return Error{Errc::conflict, std::string(field) + ": " + what + " changed at epoch " + std::to_string(changed.value) +
                                   ", not at " + std::to_string(expected.value)};
}

Outcome apply(const SetSetting& command, DirectoryChange& change) {
  const auto setting = std::ranges::find(known_settings(), command.name, &KnownSetting::name);
  const bool reset = command.value.empty() && setting != known_settings().end();
  const auto number = reset ? Result<std::uint64_t>(setting->fallback) : parse_setting(command.name, command.value);
  CAIRN_TRY(number);
  const auto key = setting_key(command.name);
  const auto before = change.rows().get(key);
  CAIRN_TRY(before);
  // One form for one number, and a row only where it says something.
  const auto text = std::to_string(*number);
  if (before->value_or(std::to_string(setting->fallback)) == text) return change.unchanged();
  const auto epoch = change.begin("setting " + command.name + " is " + text, command.why);
  if (*number == setting->fallback)
    change.rows().erase(key);
  else
    change.rows().put(key, text);
  return CommandResult{Done{epoch}};
}

Outcome apply(const RecordEvent& command, DirectoryChange& change) {
  if (command.what.empty()) return Error{Errc::invalid_argument, "what: is empty"};
  return CommandResult{Done{change.begin(command.what, command.why)}};
}

Result<Applied> DirectoryMachine::apply(const Command& command, storage::WriteBatch& batch) {
  RowTransaction rows(rows_, batch);
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  DirectoryChange change(rows, *head, std::max(head->clock, command.now));
  if (head->cluster.value == 0 && !std::holds_alternative<Bootstrap>(command.body))
    return Applied{Error{Errc::not_found, "cluster: the directory has not been bootstrapped"}, head->epoch};
  const auto outcome = std::visit([&](const auto& body) { return directory::apply(body, change); }, command.body);
  if (outcome.ok()) {
    change.finish();
    rows.commit();
    return Applied{*outcome, change.head().epoch};
  }
  // What the proposer did wrong is an outcome like any other, and it changed nothing.
  if (is_refusal(outcome.error().code)) return Applied{outcome.error(), head->epoch};
  return outcome.error();
}

QueryResult DirectoryMachine::query(const Query& query) {
  return std::visit([&](const auto& one) { return answer(one, rows_); }, query);
}

}  // namespace cairn::cluster::directory
