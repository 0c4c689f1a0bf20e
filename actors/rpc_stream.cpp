#include "actors/rpc_stream.hpp"

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <kj/debug.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>

#include "actors/clock.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::actors {
namespace {

using Words = capnp::word;

kj::Exception refusal(const std::string& what) { return to_exception({Errc::protocol, what}); }

constexpr std::size_t piece_bytes = 64u << 10;  // of one read

// The exception in a message, if it is a message with one.
kj::Maybe<capnp::rpc::Exception::Reader> exception_in(capnp::rpc::Message::Reader message) {
  switch (message.which()) {
    case capnp::rpc::Message::ABORT: return message.getAbort();
    case capnp::rpc::Message::RETURN:
      if (message.getReturn().isException()) return message.getReturn().getException();
      return nullptr;
    case capnp::rpc::Message::RESOLVE:
      if (message.getResolve().isException()) return message.getResolve().getException();
      return nullptr;
    default: return nullptr;
  }
}

bool type_exists(capnp::rpc::Exception::Reader exception) {
  return static_cast<std::uint16_t>(exception.getType()) <=
         static_cast<std::uint16_t>(capnp::rpc::Exception::Type::UNIMPLEMENTED);
}

// A copy of the message whose exception has the type FAILED. Such messages hold no capabilities.
kj::Own<capnp::MessageReader> with_clamped_type(capnp::rpc::Message::Reader message) {
  auto copy = kj::heap<capnp::MallocMessageBuilder>();
  copy->setRoot(message);
  auto root = copy->getRoot<capnp::rpc::Message>();
  constexpr auto failed = capnp::rpc::Exception::Type::FAILED;
  if (root.isAbort()) root.getAbort().setType(failed);
  if (root.isReturn()) root.getReturn().getException().setType(failed);
  if (root.isResolve()) root.getResolve().getException().setType(failed);
  auto reader = kj::heap<capnp::SegmentArrayMessageReader>(copy->getSegmentsForOutput());
  return reader.attach(kj::mv(copy));
}

}  // namespace

void BlockBytes::remove(std::size_t bytes) {
  bytes_ -= bytes;
  if (over()) return;
  auto waiting = kj::mv(waiting_);
  waiting_.clear();
  for (auto& fulfiller : waiting) fulfiller->fulfill();
}

kj::Promise<void> BlockBytes::below() {
  if (!over()) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  waiting_.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

// A single answer may be larger than the limit.
bool AnswerMemory::has_room(std::size_t bytes) const {
  const auto used = taken_ + queued_;
  return used == 0 || used + bytes <= limit_;
}

kj::Promise<kj::Own<AnswerMemory::Share>> AnswerMemory::take(std::size_t bytes) {
  if (waiting_.empty() && has_room(bytes)) return kj::heap<Share>(*this, bytes);
  auto pair = kj::newPromiseAndFulfiller<kj::Own<Share>>();
  waiting_.push_back({bytes, kj::mv(pair.fulfiller)});
  return kj::mv(pair.promise);
}

void AnswerMemory::set_queued(std::size_t bytes) {
  queued_ = bytes;
  admit();
}

void AnswerMemory::admit() {
  while (!waiting_.empty()) {
    const bool wanted = waiting_.front().fulfiller->isWaiting();
    if (wanted && !has_room(waiting_.front().bytes)) return;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    if (wanted) next.fulfiller->fulfill(kj::heap<Share>(*this, next.bytes));
  }
}

GuardedStream::GuardedStream(kj::Own<kj::AsyncIoStream> stream, std::shared_ptr<BlockBytes> loop_bytes,
                             StreamTimes times)
    : stream_(kj::mv(stream)), messages_(*stream_), arrivals_(*stream_), loop_bytes_(std::move(loop_bytes)),
      times_(times), opened_at_(steady_now()), message_since_(opened_at_) {}

void GuardedStream::set_output(capnp::TwoPartyVatNetwork* output) {
  output_ = output;
  answers_.set_queued(queued_bytes());
}

void GuardedStream::add_block_bytes(std::size_t bytes) {
  block_bytes_ += bytes;
  loop_bytes_->add(bytes);
}

void GuardedStream::remove_block_bytes(std::size_t bytes) {
  block_bytes_ -= bytes;
  loop_bytes_->remove(bytes);
}

std::size_t GuardedStream::queued_bytes() const { return output_ ? output_->getCurrentQueueSize() : 0; }

void GuardedStream::close(const std::string& why) {
  closing_ = true;
  reading_.cancel(refusal(why));
}

void GuardedStream::check_time(std::chrono::milliseconds now) {
  // What made it close has had its chance to be told; a peer that takes nothing shall not hold on.
  if (closing_) return writing_.cancel("the connection was closed");
  if (!signed_in_ && now - opened_at_ > times_.sign_in) return close("no sign-in within the time for it");
  if (now > write_until_) return close("an answer was not taken in time");
  const bool moves = !arrivals_.inside_message || messages_read_ != seen_messages_ ||
                     arrivals_.bytes - seen_bytes_ >= limits::min_progress_bytes;
  if (!moves) {
    if (now - message_since_ > times_.message) close("a message took too long to arrive");
    return;
  }
  message_since_ = now;
  seen_messages_ = messages_read_;
  seen_bytes_ = arrivals_.bytes;
}

// A message begins with the number of its segments less one. Cap'n Proto 0.9 adds the one in 32 bits, and where
// that gives none, writes into an empty array.
kj::Promise<size_t> GuardedStream::Arrivals::tryRead(void* buffer, size_t min_bytes, size_t max_bytes) {
  auto* at = static_cast<kj::byte*>(buffer);
  if (inside_message) return pieces(at, min_bytes, max_bytes, 0);
  return pieces(at, min_bytes, max_bytes, 0).then([at](size_t count) {
    constexpr kj::byte too_many[] = {0xff, 0xff, 0xff, 0xff};
    if (count >= sizeof too_many && std::equal(std::begin(too_many), std::end(too_many), at))
      kj::throwFatalException(KJ_EXCEPTION(FAILED, "2^32 segments"));
    return count;
  });
}

kj::Promise<size_t> GuardedStream::Arrivals::pieces(kj::byte* at, size_t min_bytes, size_t max_bytes, size_t done) {
  return stream_.tryRead(at, 1, std::min(max_bytes, piece_bytes))
      .then([this, at, min_bytes, max_bytes, done](size_t count) -> kj::Promise<size_t> {
        if (count == 0) return done;
        inside_message = true;
        bytes += count;
        if (count >= min_bytes) return done + count;
        return pieces(at + count, min_bytes - count, max_bytes - count, done + count);
      });
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>,
                                                                                  capnp::ReaderOptions,
                                                                                  kj::ArrayPtr<Words>) {
  if (closing_) return refusal("the connection was closed");
  if (queued_bytes() > limits::max_answer_bytes_queued) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    reader_waiting_ = kj::mv(pair.fulfiller);
    return reading_.wrap(pair.promise.then([this] { return read(); }));
  }
  if (block_bytes_ > 0 && loop_bytes_->over())
    return reading_.wrap(loop_bytes_->below().then([this] { return read(); }));
  return reading_.wrap(read());
}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> GuardedStream::read() {
  capnp::ReaderOptions options;
  const auto bytes = signed_in_ ? limits::max_message_bytes : limits::max_message_before_sign_in_bytes;
  options.traversalLimitInWords = bytes / sizeof(Words);
  arrivals_.inside_message = false;
  return capnp::tryReadMessage(arrivals_, options)
      .catch_([bytes](kj::Exception&& thrown) -> kj::Maybe<kj::Own<capnp::MessageReader>> {
        if (thrown.getType() != kj::Exception::Type::FAILED) kj::throwFatalException(kj::mv(thrown));
        kj::throwFatalException(refusal("a message is malformed or has more than " + std::to_string(bytes) + " bytes"));
      })
      .then([this](kj::Maybe<kj::Own<capnp::MessageReader>> read) -> kj::Maybe<capnp::MessageReaderAndFds> {
        arrivals_.inside_message = false;
        ++messages_read_;
        KJ_IF_MAYBE (message, read) return capnp::MessageReaderAndFds{inspect(kj::mv(*message)), nullptr};
        return nullptr;
      });
}

void GuardedStream::count_call() {
  const auto most = signed_in_ ? limits::max_calls_per_connection : limits::max_calls_before_sign_in;
  if (++unanswered_calls_ > most || ++unfinished_calls_ > most)
    kj::throwFatalException(refusal("more than " + std::to_string(most) + " calls without an answer taken"));
}

kj::Own<capnp::MessageReader> GuardedStream::inspect(kj::Own<capnp::MessageReader> message) {
  const auto root = message->getRoot<capnp::rpc::Message>();
  if (root.isBootstrap()) count_call();
  if (root.isCall()) {
    count_call();
    // Results that wait here for another call are memory that no answer shows.
    if (!root.getCall().getSendResultsTo().isCaller())
      kj::throwFatalException(refusal("results of a call can only be sent to its caller"));
  }
  if (root.isFinish() && unfinished_calls_ > 0) --unfinished_calls_;
  KJ_IF_MAYBE (exception, exception_in(root))
    if (!type_exists(*exception)) return with_clamped_type(root);
  return message;
}

// Every call gets one Return, also when its Finish came first.
void GuardedStream::count_answer(Segments segments) {
  capnp::SegmentArrayMessageReader message(segments);
  if (message.getRoot<capnp::rpc::Message>().isReturn() && unanswered_calls_ > 0) --unanswered_calls_;
}

kj::Promise<void> GuardedStream::writeMessage(kj::ArrayPtr<const int> fds, Segments segments) {
  count_answer(segments);
  std::size_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.size() * sizeof(Words);
  write_until_ = steady_now() + times_.message * (1 + bytes / limits::min_progress_bytes);
  answers_.set_queued(queued_bytes());
  return writing_.wrap(messages_.writeMessage(fds, segments)).then([this, bytes] { written(bytes); });
}

void GuardedStream::written(std::size_t bytes) {
  write_until_ = std::chrono::milliseconds::max();
  const auto queued = queued_bytes();
  // The network counts the message until this returns.
  const auto left = queued - std::min(queued, bytes);
  answers_.set_queued(left);
  if (reader_waiting_.get() == nullptr || left > limits::max_answer_bytes_queued) return;
  reader_waiting_->fulfill();
  reader_waiting_ = nullptr;
}

// The network in use writes one message at a time.
kj::Promise<void> GuardedStream::writeMessages(kj::ArrayPtr<Segments> messages) {
  if (messages.size() == 0) return kj::READY_NOW;
  return writeMessage(nullptr, messages[0]).then([this, messages]() mutable {
    return writeMessages(messages.slice(1, messages.size()));
  });
}

kj::Maybe<int> GuardedStream::getSendBufferSize() { return messages_.getSendBufferSize(); }

kj::Promise<void> GuardedStream::end() { return messages_.end(); }

}  // namespace cairn::actors
