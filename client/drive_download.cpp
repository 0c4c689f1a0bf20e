// Drive::download: the server streams into a ByteSink of ours on the loop's thread, and the caller's
// thread takes the pieces from there. The sink answers a write late when too much waits to be taken.
#include <condition_variable>
#include <deque>
#include <mutex>

#include "client/drive.hpp"
#include "client/link.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"

namespace cairn::client {
namespace {

/// Bytes that were received and not yet consumed; more come only when there is room.
constexpr std::size_t max_waiting_bytes = limits::download_window_bytes;

struct Stream {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Bytes> pieces;
  std::size_t waiting_bytes = 0;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> room;
  std::optional<Error> outcome;       ///< set when there will be no more; code 0 is success
  bool done = false;
  bool abandoned = false;             ///< the consumer failed

  // The loop's own.
  std::uint64_t at = 0;               ///< of the next byte to be received
  std::uint64_t end = 0;
  std::uint64_t attempt = 0;          ///< whose sink may still speak

  kj::Promise<void> take(BytesView bytes) {
    const std::lock_guard lock(mutex);
    if (abandoned || bytes.empty()) return kj::READY_NOW;
    pieces.emplace_back(bytes.substr(0, end - at));
    at += pieces.back().size();
    waiting_bytes += pieces.back().size();
    changed.notify_all();
    if (waiting_bytes < max_waiting_bytes) return kj::READY_NOW;
    auto pair = kj::newPromiseAndCrossThreadFulfiller<void>();
    room = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

  void finish(std::optional<Error> error) {
    const std::lock_guard lock(mutex);
    outcome = std::move(error);
    done = true;
    changed.notify_all();
  }
};

class Sink final : public rpc::ByteSink::Server {
 public:
  Sink(std::shared_ptr<Stream> stream, std::uint64_t attempt) : stream_(std::move(stream)), attempt_(attempt) {}

  kj::Promise<void> write(WriteContext context) override {
    if (attempt_ != stream_->attempt) return kj::READY_NOW;
    const auto bytes = context.getParams().getBytes();
    return stream_->take(BytesView(reinterpret_cast<const char*>(bytes.begin()), bytes.size()));
  }
  kj::Promise<void> end(EndContext) override { return kj::READY_NOW; }

 private:
  std::shared_ptr<Stream> stream_;
  const std::uint64_t attempt_;
};

Attempt<bool> download_attempt(EntryRef entry, VersionNumber version, std::shared_ptr<Stream> stream) {
  return [entry = std::move(entry), version, stream = std::move(stream)](Line& line) -> kj::Promise<Result<bool>> {
    ++stream->attempt;
    if (stream->at >= stream->end) return Result<bool>(true);
    auto request = KJ_ASSERT_NONNULL(line.drive).downloadRequest();
    to_capnp(entry, request.initEntry());
    request.setVersion(version.value);
    request.setOffset(stream->at);
    request.setBytes(stream->end - stream->at);
    request.setSink(kj::heap<Sink>(stream, stream->attempt));
    return request.send().then([stream](auto&&) -> Result<bool> {
      if (stream->at < stream->end)
        return Error{Errc::protocol, "the server's download ended before the last byte"};
      return true;
    });
  };
}

/// Hands the pieces to `consume` until there are no more.
Result<void> consume_all(Stream& stream, const ConsumeBytes& consume) {
  for (;;) {
    Bytes piece;
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> room;
    {
      std::unique_lock lock(stream.mutex);
      stream.changed.wait(lock, [&] { return stream.done || !stream.pieces.empty(); });
      if (stream.pieces.empty()) {
        if (stream.outcome) return *stream.outcome;
        return {};
      }
      piece = std::move(stream.pieces.front());
      stream.pieces.pop_front();
      stream.waiting_bytes -= piece.size();
      if (stream.waiting_bytes < max_waiting_bytes / 2) room = kj::mv(stream.room);
    }
    if (room.get() != nullptr) room->fulfill();
    if (auto taken = consume(piece); !taken.ok()) return taken;
  }
}

}  // namespace

Result<std::uint64_t> Drive::download(const EntryRef& entry, VersionNumber version, std::uint64_t offset,
                                      std::uint64_t bytes, const ConsumeBytes& consume) {
  // Tells size and number of the version, so that what is fetched later is of the same one.
  const auto first = read(entry, version, 0, 1);
  if (!first.ok()) return first.error();
  if (offset > first->size)
    return Error{Errc::invalid_argument, "offset " + std::to_string(offset) + " is past the end"};
  auto stream = std::make_shared<Stream>();
  stream->at = offset;
  stream->end = bytes == 0 || bytes > first->size - offset ? first->size : offset + bytes;
  link_->call<bool>(Need::session, Resend::always, download_attempt(entry, first->version, stream),
                    [stream](const Result<bool>& result) {
                      stream->finish(result.ok() ? std::nullopt : std::optional(result.error()));
                    });
  auto consumed = consume_all(*stream, consume);
  if (!consumed.ok()) {
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> room;
    {
      const std::lock_guard lock(stream->mutex);
      stream->abandoned = true;
      room = kj::mv(stream->room);
    }
    if (room.get() != nullptr) room->fulfill();
    return consumed.error();
  }
  return first->size;
}

}  // namespace cairn::client
