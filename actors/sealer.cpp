// Bytes on their way to the block writer and back: checked, compressed, sealed; read, opened.
#include <caf/typed_event_based_actor.hpp>

#include "actors/blocks.hpp"
#include "actors/clock.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

const Error no_writer{Errc::unavailable, "the block store is starting"};

struct Seals {
  std::shared_ptr<const storage::KeyRing> keys;
  std::shared_ptr<storage::Sealer> sealer;
  std::shared_ptr<Routes> routes;

  void store(SealerActor::pointer self, StoreBlock& message) {
    if (message.plain.empty() || message.plain.size() > limits::max_block_bytes)
      return message.reply(Error{Errc::too_large, "a block has 1 to " + std::to_string(limits::max_block_bytes) +
                                                      " bytes, not " + std::to_string(message.plain.size())});
    if (sha256(message.plain) != message.id)
      return message.reply(Error{Errc::block_mismatch, "the bytes do not hash to block id " + message.id.hex()});
    const auto writer = routes->block_writer();
    if (!writer) return message.reply(no_writer);
    Receipt receipt{message.id, static_cast<std::uint32_t>(message.plain.size()), message.account, now(), {}};
    Reply<bool> durable([keys = keys, receipt = std::move(receipt), reply = message.reply](Result<bool> done) {
      done ? reply(keys->sign(receipt)) : reply(done.error());
    });
    self->send(writer, PutSealed{message.id, sealer->seal(message.id, message.plain), std::move(durable)});
  }

  // The writer only says where a block is: reading and opening happen here, beside its writes.
  void fetch(SealerActor::pointer self, const FetchBlock& message) {
    const auto writer = routes->block_writer();
    if (!writer) return message.reply(no_writer);
    Reply<FoundSealed> found([me = SealerActor{self}, id = message.id, reply = message.reply](Result<FoundSealed> at) {
      at ? caf::anon_send(me, ReadBlock{id, std::move(*at), reply}) : reply(at.error());
    });
    self->send(writer, FindSealed{message.id, std::move(found)});
  }

  void read(SealerActor::pointer self, const ReadBlock& message) {
    const auto sealed = message.found.store->read(message.id, message.found.location);
    if (sealed) return message.reply(sealer->open(message.id, *sealed));
    const auto writer = routes->block_writer();
    if (!writer) return message.reply(no_writer);
    Reply<Bytes> got([me = SealerActor{self}, id = message.id, reply = message.reply](Result<Bytes> bytes) {
      bytes ? caf::anon_send(me, OpenBlock{id, std::move(*bytes), reply}) : reply(bytes.error());
    });
    self->send(writer, GetSealed{message.id, std::move(got)});
  }

  void open(const OpenBlock& message) { message.reply(sealer->open(message.id, message.sealed)); }
};

}  // namespace

SealerActor::behavior_type sealer(SealerActor::pointer self, std::shared_ptr<const storage::KeyRing> keys,
                                  std::shared_ptr<Routes> routes) {
  auto opened = std::make_shared<storage::Sealer>(keys);
  auto state = std::make_shared<Seals>(Seals{std::move(keys), std::move(opened), std::move(routes)});
  return {
      [self, state](StoreBlock& message) { state->store(self, message); },
      [self, state](const FetchBlock& message) { state->fetch(self, message); },
      [self, state](const ReadBlock& message) { state->read(self, message); },
      [state](const OpenBlock& message) { state->open(message); },
  };
}

}  // namespace cairn::actors
