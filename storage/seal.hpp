// Blocks as they lie on disk: compressed where that pays (zstd), then sealed (AES-256-GCM) under a key of
// a versioned key file. Who holds no key learns the id, the size and nothing else. Also the HMAC key for
// receipts. A KeyRing is immutable and shared by threads; a Sealer belongs to one thread.
#pragma once

#include <memory>
#include <string>

#include "protocol/error.hpp"
#include "protocol/ids.hpp"
#include "protocol/model.hpp"

namespace cairn::storage {

/// The keys of one key file: several sealing keys by version, the newest of which seals.
class KeyRing {
 public:
  /// Reads `path`; if it is absent makes it with random keys (mode 0600, synced before use). A file
  /// to which others have any access is refused (permission_denied), as is one that does not parse
  /// (bad_config, naming the line, never the key).
  static Result<std::shared_ptr<const KeyRing>> open_or_create(const std::string& path);
  /// Adds a new newest sealing key and receipt key to the file, atomically. Every sealing key stays,
  /// and the receipt key before the newest, which outlives its receipts unless this is called twice
  /// within limits::receipt_lifetime. No number of blocks forces it (disk_format.md, "Sealed block").
  static Result<std::shared_ptr<const KeyRing>> rotate(const std::string& path);
  virtual ~KeyRing() = default;
  virtual std::uint32_t newest_version() const = 0;

  /// `receipt` with its mac filled in.
  virtual Receipt sign(Receipt receipt) const = 0;
  /// bad_receipt if forged, for another account, issued longer than limits::receipt_lifetime before
  /// `now` or later than limits::receipt_margin after it.
  virtual Result<void> check(const Receipt& receipt, AccountId account, Timestamp now) const = 0;

 protected:
  friend class Sealer;
  virtual BytesView sealing_key(std::uint32_t version) const = 0;  ///< empty if there is none
};

/// A sealed block is at most this much longer than its plain bytes.
inline constexpr std::size_t sealed_overhead_bytes = 38;

/// Seals and opens blocks: disk_format.md, "Sealed block".
class Sealer {
 public:
  explicit Sealer(std::shared_ptr<const KeyRing> keys);
  ~Sealer();
  Sealer(Sealer&&) noexcept;
  /// Sealed form of a block whose plain bytes are `plain`, at most limits::max_block_bytes and already
  /// known to hash to `id`.
  Bytes seal(const BlockId& id, BytesView plain);
  /// The plain bytes; corrupt if seal, size or id do not hold, unavailable if the key version is not in
  /// the ring.
  Result<Bytes> open(const BlockId& id, BytesView sealed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storage
