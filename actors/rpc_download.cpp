#include "actors/rpc_download.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <deque>

#include "actors/rpc_bridge.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

// One range on its way. It must outlive its promises: they are attached to it.
class Range {
 public:
  Range(SessionActor session, Content content, std::uint64_t offset, std::uint64_t count,
        kj::Function<kj::Promise<void>(BytesView)> sink)
      : session_(std::move(session)),
        content_(std::move(content)),
        offset_(std::min(offset, content_.size)),
        end_(offset_ + std::min(count, content_.size - offset_)),
        sink_(kj::mv(sink)) {
    skip_to_offset();
  }

  kj::Promise<void> send() {
    if (content_.blocks.empty()) {
      const auto piece = BytesView(content_.inline_bytes).substr(offset_, end_ - offset_);
      return piece.empty() ? kj::Promise<void>(kj::READY_NOW) : sink_(piece);
    }
    return next();
  }

 private:
  struct Fetched {
    std::uint64_t begins;             // offset of the block in the content
    std::uint32_t bytes;
    kj::Promise<Bytes> promise;
  };

  void skip_to_offset() {
    while (next_block_ < content_.blocks.size() && fetch_at_ + content_.blocks[next_block_].bytes <= offset_)
      fetch_at_ += content_.blocks[next_block_++].bytes;
  }

  void read_ahead() {
    while (next_block_ < content_.blocks.size() && fetch_at_ < end_) {
      const auto& block = content_.blocks[next_block_];
      if (!fetched_.empty() && ahead_bytes_ + block.bytes > limits::download_window_bytes) return;
      auto bridge = make_bridge<Bytes>();
      caf::anon_send(session_, SessionFetchBlock{block, std::move(bridge.reply)});
      fetched_.push_back({fetch_at_, block.bytes, kj::mv(bridge.promise)});
      ahead_bytes_ += block.bytes;
      fetch_at_ += block.bytes;
      ++next_block_;
    }
  }

  kj::Promise<void> next() {
    read_ahead();
    if (fetched_.empty()) return kj::READY_NOW;
    auto first = kj::mv(fetched_.front());
    fetched_.pop_front();
    return first.promise
        .then([this, begins = first.begins, bytes = first.bytes](Bytes block) -> kj::Promise<void> {
          ahead_bytes_ -= bytes;
          if (block.size() != bytes)
            throw_error({Errc::corrupt, "a block has another size than its manifest says"});
          block_ = std::move(block);
          const auto from = offset_ > begins ? offset_ - begins : 0;
          const auto to = std::min<std::uint64_t>(bytes, end_ - begins);
          return sink_(BytesView(block_).substr(from, to - from));
        })
        .then([this] { return next(); });
  }

  SessionActor session_;
  Content content_;
  std::uint64_t offset_;
  std::uint64_t end_;
  kj::Function<kj::Promise<void>(BytesView)> sink_;
  std::deque<Fetched> fetched_;
  std::size_t next_block_ = 0;
  std::uint64_t fetch_at_ = 0;         // offset of next_block_ in the content
  std::size_t ahead_bytes_ = 0;
  Bytes block_;
};

}  // namespace

kj::Promise<void> send_range(SessionActor session, Content content, std::uint64_t offset, std::uint64_t count,
                             kj::Function<kj::Promise<void>(BytesView)> sink) {
  auto range = kj::heap<Range>(std::move(session), std::move(content), offset, count, kj::mv(sink));
  auto sent = range->send();
  return sent.attach(kj::mv(range));
}

}  // namespace cairn::actors
