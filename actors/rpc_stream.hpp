// The message stream of one client connection, with the guards that Cap'n Proto 0.9 leaves to its user:
// message size before and after sign-in, time for a message to arrive and for an answer to be taken,
// unanswered calls, answers that nobody reads, exception types that do not exist, and a bound on the
// node's unanswered bytes. On the KJ loop's thread.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <capnp/serialize-async.h>
#include <kj/async-io.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>

#include "protocol/limits.hpp"

namespace cairn::actors {

/// Bytes of blocks that this loop's clients have sent and that are not answered yet. Over the limit no
/// connection is read that has some in flight itself, so that the senders wait.
class BlockBytes {
 public:
  explicit BlockBytes(std::size_t limit) : limit_(limit) {}
  void add(std::size_t bytes) { bytes_ += bytes; }
  void remove(std::size_t bytes);
  bool over() const { return bytes_ > limit_; }
  /// Ready when the bytes are within the limit again.
  kj::Promise<void> below();

 private:
  std::size_t limit_;
  std::size_t bytes_ = 0;
  std::list<kj::Own<kj::PromiseFulfiller<void>>> waiting_;
};

struct StreamTimes {
  std::chrono::milliseconds sign_in = limits::sign_in_timeout;
  std::chrono::milliseconds message = limits::message_timeout;
};

/// Memory that answers of one connection may take at a time. Who wants more waits, first come first served.
class AnswerMemory {
 public:
  /// A share that is given back when the object goes, which must be before the memory does.
  class Share {
   public:
    Share(AnswerMemory& memory, std::size_t bytes) : memory_(memory), bytes_(bytes) { memory_.taken_ += bytes_; }
    KJ_DISALLOW_COPY(Share);
    ~Share() {
      memory_.taken_ -= bytes_;
      memory_.admit();
    }

   private:
    AnswerMemory& memory_;
    std::size_t bytes_;
  };

  explicit AnswerMemory(std::size_t limit) : limit_(limit) {}
  /// Ready when there is room for so many bytes, or when nothing else is taken.
  kj::Promise<kj::Own<Share>> take(std::size_t bytes);
  /// Bytes that are taken by what has no share: answers that wait to be written.
  void set_queued(std::size_t bytes);

 private:
  bool has_room(std::size_t bytes) const;
  void admit();

  struct Waiting {
    std::size_t bytes;
    kj::Own<kj::PromiseFulfiller<kj::Own<Share>>> fulfiller;
  };
  std::size_t limit_;
  std::size_t taken_ = 0;
  std::size_t queued_ = 0;
  std::deque<Waiting> waiting_;
};

class GuardedStream final : public capnp::MessageStream {
 public:
  GuardedStream(kj::Own<kj::AsyncIoStream> stream, std::shared_ptr<BlockBytes> loop_bytes, StreamTimes times = {});

  /// The network that writes to this stream, and so knows what waits to be written; nullptr when it goes.
  void set_output(capnp::TwoPartyVatNetwork* output);
  /// From here on messages may have their full size.
  void signed_in() { signed_in_ = true; }
  bool is_signed_in() const { return signed_in_; }
  /// What is in flight of this connection, counted here and for the loop.
  void add_block_bytes(std::size_t bytes);
  void remove_block_bytes(std::size_t bytes);

  /// For answers that can be large; what the client has not taken yet counts.
  AnswerMemory& answers() { return answers_; }
  /// For blocks that are read ahead of a client's sinks.
  AnswerMemory& downloads() { return downloads_; }

  /// Closes the connection if at `now` (any steady clock) it has been without a sign-in, inside one
  /// message, or not taking an answer, for too long. Called about once a second.
  void check_time(std::chrono::milliseconds now);

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> fds,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> fds,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override;
  kj::Promise<void> end() override;

 private:
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

  // Reads in small pieces, to tell when a message has begun and how it gets on.
  class Arrivals final : public kj::AsyncInputStream {
   public:
    explicit Arrivals(kj::AsyncIoStream& stream) : stream_(stream) {}
    kj::Promise<size_t> tryRead(void* buffer, size_t min_bytes, size_t max_bytes) override;
    bool inside_message = false;
    std::uint64_t bytes = 0;

   private:
    kj::Promise<size_t> pieces(kj::byte* at, size_t min_bytes, size_t max_bytes, size_t done);
    kj::AsyncIoStream& stream_;
  };

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> read();
  kj::Own<capnp::MessageReader> inspect(kj::Own<capnp::MessageReader> message);
  void count_call();
  void count_answer(Segments segments);
  std::size_t queued_bytes() const;
  void written(std::size_t bytes);
  void close(const std::string& why);

  kj::Own<kj::AsyncIoStream> stream_;
  capnp::AsyncIoMessageStream messages_;
  Arrivals arrivals_;
  std::shared_ptr<BlockBytes> loop_bytes_;
  StreamTimes times_;
  capnp::TwoPartyVatNetwork* output_ = nullptr;
  kj::Canceler reading_;
  kj::Canceler writing_;
  std::size_t block_bytes_ = 0;
  std::size_t unanswered_calls_ = 0;        // no Return written yet
  std::size_t unfinished_calls_ = 0;        // no Finish read yet
  AnswerMemory answers_{limits::max_answer_bytes_queued};
  AnswerMemory downloads_{limits::max_download_bytes_ahead};
  kj::Own<kj::PromiseFulfiller<void>> reader_waiting_;
  bool signed_in_ = false;
  bool closing_ = false;
  std::chrono::milliseconds opened_at_;
  std::chrono::milliseconds message_since_{0};
  std::uint64_t messages_read_ = 0;
  std::uint64_t seen_messages_ = 0;
  std::uint64_t seen_bytes_ = 0;
  std::chrono::milliseconds write_until_ = std::chrono::milliseconds::max();  // of the write that is out
};

}  // namespace cairn::actors
