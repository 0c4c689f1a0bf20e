#include "storage/row_walk.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace cairn::storage {

constexpr std::ptrdiff_t fetch_ahead = 8;  // rows

RowWalk::RowWalk(std::initializer_list<const WriteBatch*> newest_first, BytesView from, BytesView to,
                 Direction direction)
    : direction_(direction) {
  const auto place = [](const WriteBatch::Run& run, BytesView key) {
    const auto key_at = [](const WriteBatch::Place& at) { return at.row->key(); };
    return std::ranges::lower_bound(run, key, {}, key_at) - run.begin();
  };
  for (const auto* batch : newest_first) {
    if (!batch) continue;
    for (const auto& run : batch->runs()) {
      const auto first = place(*run, from);
      const auto last = to.empty() ? std::ssize(*run) : place(*run, to);
      if (first >= last) continue;
      if (direction == Direction::forwards)
        heads_.push_back({run, first, last});
      else
        heads_.push_back({run, last - 1, first - 1});
    }
  }
  find_next();
}

// A batch's rows lie in memory in the order in which they came, not in that of their keys: those that are walked soon
// are fetched meanwhile.
void RowWalk::Head::step(std::ptrdiff_t turn) {
  at += turn;
  if (const auto ahead = at + fetch_ahead * turn; turn > 0 ? ahead < end : ahead > end)
    __builtin_prefetch(run->data()[ahead].row);
}

void RowWalk::step() {
  const auto& done = *next_;
  const auto turn = direction_ == Direction::forwards ? 1 : -1;
  for (auto& head : heads_)
    if (const auto* place = head.place())
      if (place == &done || (place->words == done.words && place->row->key() == done.row->key())) head.step(turn);
  find_next();
}

void RowWalk::find_next() {
  next_ = nullptr;
  for (const auto& head : heads_)
    if (const auto* place = head.place(); place && (!next_ || before(*place, *next_))) next_ = place;
}

Result<void> scan_rows(RowWalk walk, const VisitRow& visit, const OpenRow& open,
                       const std::function<Result<void>(const VisitRow&)>& scan_stored) {
  bool go_on = true;
  std::optional<Error> damage;
  const auto show = [&] {
    const auto& row = *walk.row();
    const auto value = row.value();
    go_on = !value || visit(row.key(), *value);
    walk.step();
  };
  CAIRN_TRY(scan_stored([&](BytesView key, BytesView stored) {
    while (go_on && walk.row() && walk.precedes(walk.row()->key(), key)) show();
    if (!go_on) return false;
    if (walk.row() && walk.row()->key() == key) {
      show();
      return go_on;
    }
    const auto value = open(key, stored);
    if (!value) {
      damage = value.error();
      return false;
    }
    return go_on = visit(key, *value);
  }));
  if (damage) return *damage;
  while (go_on && walk.row()) show();
  return {};
}

}  // namespace cairn::storage
