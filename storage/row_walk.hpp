// Rows of several batches, and those that are stored under them, walked as one. As safe for threads as WriteBatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "protocol/error.hpp"
#include "storage/write_batch.hpp"

namespace cairn::storage {

enum class Direction : std::uint8_t { forwards, backwards };

/// The rows with keys from `from` to before `to` ("": to the end) of batches that must outlive the walk. Where several
/// have a key, the first of them has it; one may be null. What is put into a batch meanwhile is not walked.
class RowWalk {
 public:
  RowWalk(std::initializer_list<const WriteBatch*> newest_first, BytesView from, BytesView to, Direction direction);
  /// All rows of one, forwards.
  explicit RowWalk(const WriteBatch& batch) : RowWalk({&batch}, {}, {}, Direction::forwards) {}

  /// The next row, which may be an erased one; null at the end.
  const WriteBatch::Row* row() const { return next_ ? next_->row : nullptr; }
  void step();
  /// Whether a walk comes to `a` before `b`.
  bool precedes(BytesView a, BytesView b) const { return direction_ == Direction::forwards ? a < b : b < a; }

 private:
  struct Head {
    std::shared_ptr<const WriteBatch::Run> run;
    std::ptrdiff_t at, end;
    const WriteBatch::Place* place() const { return at == end ? nullptr : run->data() + at; }
    void step(std::ptrdiff_t turn);
  };
  bool before(const WriteBatch::Place& a, const WriteBatch::Place& b) const {
    return direction_ == Direction::forwards ? WriteBatch::Before()(a, b) : WriteBatch::Before()(b, a);
  }
  void find_next();

  Direction direction_;
  std::vector<Head> heads_;  // of newer batches first
  const WriteBatch::Place* next_ = nullptr;
};

using VisitRow = std::function<bool(BytesView key, BytesView value)>;
/// The value in what is stored for a key.
using OpenRow = std::function<Result<BytesView>(BytesView key, BytesView stored)>;

/// Shows rows to `visit` in the walk's direction until it answers false: those of the walk and, where it has none, the
/// stored ones, which `scan_stored` shows in the same range and direction. Errors: those of `scan_stored`, and of
/// `open` for a row that is to be shown.
Result<void> scan_rows(RowWalk walk, const VisitRow& visit, const OpenRow& open,
                       const std::function<Result<void>(const VisitRow&)>& scan_stored);

}  // namespace cairn::storage
