// Changes of rows in memory: found by a hash of the key, since a commit looks up far more rows than it walks, and put
// in key order only when they are walked. One thread; any threads once order() was called and nobody changes them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/bytes.hpp"

namespace cairn::storage {

/// Changes that take effect together. The last one for a key wins. Keys are not empty and do not begin with a zero
/// byte: those are a table's own. Keys and values are below 4 GiB.
class WriteBatch {
 public:
  class Row;
  /// A row and the beginning of its key as numbers, so that most rows are compared without being looked at.
  struct Place {
    std::array<std::uint64_t, 3> words;
    const Row* row;
  };
  struct Before {
    bool operator()(const Place& a, const Place& b) const {
      for (std::size_t i = 0; i < a.words.size(); ++i)
        if (a.words[i] != b.words[i]) return a.words[i] < b.words[i];
      return by_key(a, b);
    }
    static bool by_key(const Place& a, const Place& b);
  };
  /// In key order.
  using Run = std::vector<Place>;

  WriteBatch() = default;
  /// Empties `other`.
  WriteBatch(WriteBatch&& other) noexcept { *this = std::move(other); }
  WriteBatch& operator=(WriteBatch&& other) noexcept;

  void put(BytesView key, BytesView value) { set(key, value); }
  void erase(BytesView key) { set(key, std::nullopt); }
  /// Moves all of `newer`, which is empty then, over what is here.
  void take_in(WriteBatch&& newer);
  void clear() { *this = {}; }

  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  /// Memory that the rows take. Approximate.
  std::uint64_t bytes() const;
  /// Null: this batch does not touch the key. Valid until the batch ends or is taken in; its value, until it changes.
  const Row* find(BytesView key) const { return empty() ? nullptr : find(key, hash_of(key)); }
  /// The same by the key's hash, for who looks into several batches.
  const Row* find(BytesView key, std::uint64_t hash) const;
  /// Differs from process to process.
  static std::uint64_t hash_of(BytesView key);

  /// Puts in order what is not yet.
  void order() const;
  /// All rows, each in one run. What is put in after a call is in no run before the next.
  const std::vector<std::shared_ptr<const Run>>& runs() const;

 private:
  /// Memory that is given out from piece to piece and ends as a whole: rows come by the million, so none is allocated
  /// or freed alone, and those of one change lie side by side.
  class Memory {
   public:
    /// Aligned for a Row if all sizes are.
    char* take(std::size_t size);
    std::uint64_t taken() const { return taken_; }

   private:
    std::vector<std::unique_ptr<char[]>> pieces_;
    char* next_ = nullptr;
    std::size_t left_ = 0;
    std::uint64_t taken_ = 0;
  };

  void set(BytesView key, std::optional<BytesView> value) { set(key, hash_of(key), value); }
  void set(BytesView key, std::uint64_t hash, std::optional<BytesView> value);
  void set_all(const std::vector<Row*>& rows);
  Row* row_of(BytesView key, std::uint64_t hash) const;
  void fetch_slot(std::uint64_t hash) const;
  void put_in_slot(Row& row);

  Memory memory_;
  std::vector<Row*> rows_;
  // A power of two of slots, at most half of them taken; none for a few rows. A slot's tag is a part of its row's hash:
  // a byte, so that the tags of many rows fit into the processor's cache, and most that are not there cost no more.
  std::vector<std::uint8_t> tags_;  // 0: free
  std::vector<Row*> slots_;
  mutable std::vector<std::shared_ptr<const Run>> runs_;  // each larger than the next
  mutable std::size_t ordered_ = 0;                       // of rows_, those that are in runs_
};

/// The change of one row. It, its key and its first value lie side by side in its batch's memory.
class WriteBatch::Row {
 public:
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  BytesView key() const { return {text(), key_size_}; }
  /// Nothing: the row is erased.
  std::optional<BytesView> value() const {
    return erased_ ? std::nullopt : std::optional(BytesView(larger_ ? larger_ : text() + key_size_, value_size_));
  }
  std::optional<Bytes> value_copy() const {
    const auto seen = value();
    return seen ? std::optional<Bytes>(*seen) : std::nullopt;
  }

 private:
  friend class WriteBatch;

  static Row* make(Memory& memory, BytesView key, std::uint64_t hash, std::optional<BytesView> value);
  Row(BytesView key, std::uint64_t hash, std::uint32_t room);
  void set(Memory& memory, std::optional<BytesView> value);
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  char* text() { return reinterpret_cast<char*>(this + 1); }

  std::uint64_t hash_;
  char* larger_ = nullptr;  // a value that did not fit into the room behind the key
  std::uint32_t key_size_;
  std::uint32_t room_;  // of larger_, or behind the key
  std::uint32_t value_size_ = 0;
  bool erased_ = true;
};

}  // namespace cairn::storage
