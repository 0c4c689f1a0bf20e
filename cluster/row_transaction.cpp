#include "cluster/row_transaction.hpp"

#include <iterator>

namespace cairn::cluster {
namespace {

using Row = storage::WriteBatch::Row;
using Changes = storage::WriteBatch::Changes;
using Visit = RowTransaction::Visit;

/// Changes not yet visited, in the direction of the scan.
template <class Iterator>
struct Layer {
  Iterator at;
  Iterator end;
};

/// Two layers of changes over stored rows; the newer one wins where both have a key.
template <class Iterator, class Precedes>
class Merge {
 public:
  Merge(Layer<Iterator> newer, Layer<Iterator> older, const Visit& visit)
      : newer_(newer), older_(older), visit_(visit) {}

  /// Shows the changes that come before `key`, then the stored row unless a change has replaced it.
  bool stored(BytesView key, BytesView value) {
    while (const auto* change = next()) {
      if (!Precedes{}(BytesView(change->key), key)) break;
      step(change->key);
      if (!show(*change)) return false;
    }
    const auto* change = next();
    if (!change || change->key != key) return go_on_ = visit_(key, value);
    step(change->key);
    return show(*change);
  }

  void finish() {
    while (go_on_) {
      const auto* change = next();
      if (!change) return;
      step(change->key);
      show(*change);
    }
  }

 private:
  const Row* next() const {
    if (newer_.at == newer_.end) return older_.at == older_.end ? nullptr : *older_.at;
    if (older_.at == older_.end) return *newer_.at;
    return Precedes{}(BytesView((*older_.at)->key), BytesView((*newer_.at)->key)) ? *older_.at : *newer_.at;
  }

  void step(const Bytes& key) {
    if (older_.at != older_.end && (*older_.at)->key == key) ++older_.at;
    if (newer_.at != newer_.end && (*newer_.at)->key == key) ++newer_.at;
  }

  bool show(const Row& change) {
    if (change.value) go_on_ = visit_(change.key, *change.value);
    return go_on_;
  }

  Layer<Iterator> newer_;
  Layer<Iterator> older_;
  const Visit& visit_;
  bool go_on_ = true;
};

Layer<Changes::const_iterator> forwards(const Changes& changes, BytesView from, BytesView to) {
  return {changes.lower_bound(from), to.empty() ? changes.end() : changes.lower_bound(to)};
}

Layer<Changes::const_reverse_iterator> backwards(const Changes& changes, BytesView from,
                                                 BytesView to) {
  const auto [first, last] = forwards(changes, from, to);
  return {std::make_reverse_iterator(last), std::make_reverse_iterator(first)};
}

}  // namespace

Result<std::optional<Bytes>> RowTransaction::get(BytesView key) {
  for (const auto* layer : {&own_, &batch_})
    if (const auto* change = layer->find(key)) return change->value;
  return stored_.get(key);
}

Result<void> RowTransaction::scan(BytesView from, BytesView to, const Visit& visit) {
  Merge<Changes::const_iterator, std::less<BytesView>> merge(
      forwards(own_.changes(), from, to), forwards(batch_.changes(), from, to), visit);
  CAIRN_TRY(stored_.scan(from, to,
                         [&](BytesView key, BytesView value) { return merge.stored(key, value); }));
  merge.finish();
  return {};
}

Result<void> RowTransaction::scan_back(BytesView from, BytesView to, const Visit& visit) {
  Merge<Changes::const_reverse_iterator, std::greater<BytesView>> merge(
      backwards(own_.changes(), from, to), backwards(batch_.changes(), from, to), visit);
  CAIRN_TRY(stored_.scan_back(
      from, to, [&](BytesView key, BytesView value) { return merge.stored(key, value); }));
  merge.finish();
  return {};
}

void RowTransaction::commit() { batch_.take_in(std::move(own_)); }

}  // namespace cairn::cluster
