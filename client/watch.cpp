#include "client/watch.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "client/link.hpp"
#include "protocol/model_capnp.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {
namespace {

/// So many pages wait to be taken before the server has to.
constexpr std::size_t max_pages_waiting = 8;

}  // namespace

/// Shared by the Watch, its task on the loop, and the callback that the server calls.
struct Watch::Feed {
  Link* link = nullptr;                       ///< outlives every task on the loop

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ChangePage> pages;
  std::optional<Error> ended;                 ///< set once, the last answer
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> room;   ///< told when a page was taken

  // The loop's own.
  Cursor last;                                ///< of the newest page in `pages` or before
  unsigned failures = 0;
  std::uint64_t generation = 0;               ///< of the callback that may speak
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> ended_by_server;
  kj::Own<kj::PromiseFulfiller<void>> cancel;

  void end(Error error) {
    const std::lock_guard lock(mutex);
    if (!ended) ended = std::move(error);
    changed.notify_all();
  }

  /// Takes a page of the feed; the promise resolves when there is room for another.
  kj::Promise<void> take(ChangePage page) {
    if (page.cursor <= last) return kj::READY_NOW;
    last = page.cursor;
    failures = 0;
    const std::lock_guard lock(mutex);
    pages.push_back(std::move(page));
    changed.notify_all();
    if (pages.size() < max_pages_waiting) return kj::READY_NOW;
    auto pair = kj::newPromiseAndCrossThreadFulfiller<void>();
    room = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

  static kj::Promise<void> follow(std::shared_ptr<Feed> feed);
  static kj::Promise<void> follow_on(const std::shared_ptr<Feed>& feed, const LinePtr& line);
  static kj::Promise<void> after_failure(const std::shared_ptr<Feed>& feed, const Error& error);
};

namespace {

class WatcherServer final : public rpc::Watcher::Server {
 public:
  WatcherServer(std::shared_ptr<Watch::Feed> feed, std::uint64_t generation)
      : feed_(std::move(feed)), generation_(generation) {}

  kj::Promise<void> changed(ChangedContext context) override {
    if (generation_ != feed_->generation) return kj::READY_NOW;
    auto page = from_capnp(context.getParams().getPage());
    if (!page.ok()) {
      feed_->end(Error{Errc::protocol, "the server's change feed: " + page.error().message});
      return kj::READY_NOW;
    }
    return feed_->take(std::move(*page));
  }

  kj::Promise<void> ended(EndedContext context) override {
    if (generation_ != feed_->generation) return kj::READY_NOW;
    const auto code = errc_from_number(context.getParams().getCode());
    const auto message = context.getParams().getMessage();
    if (!is_retryable(code)) feed_->end(Error{code, std::string(message.begin(), message.size())});
    KJ_IF_MAYBE (fulfiller, feed_->ended_by_server) (*fulfiller)->fulfill();
    return kj::READY_NOW;
  }

 private:
  std::shared_ptr<Watch::Feed> feed_;
  const std::uint64_t generation_;
};

}  // namespace

kj::Promise<void> Watch::Feed::after_failure(const std::shared_ptr<Feed>& feed, const Error& error) {
  if (!is_retryable(error.code)) {
    feed->end(error);
    return kj::READY_NOW;
  }
  return feed->link->pause(feed->failures++).then([feed] { return follow(feed); });
}

kj::Promise<void> Watch::Feed::follow_on(const std::shared_ptr<Feed>& feed, const LinePtr& line) {
  auto request = KJ_ASSERT_NONNULL(line->drive).watchRequest();
  request.setCursor(feed->last.value);
  request.setWatcher(kj::heap<WatcherServer>(feed, ++feed->generation));
  auto pair = kj::newPromiseAndFulfiller<void>();
  feed->ended_by_server = kj::mv(pair.fulfiller);
  return request.send()
      .then([line, ended = kj::mv(pair.promise)](auto&& answer) mutable {
        // The capability is held until the watch is over: dropping it ends the watch.
        return line->when_dropped().exclusiveJoin(kj::mv(ended)).attach(answer.getWatch());
      })
      .then([]() -> std::optional<Error> { return Error{Errc::unavailable, "the watch was interrupted"}; },
            [feed, line](kj::Exception&& exception) -> std::optional<Error> {
              return feed->link->classify(line, exception);
            })
      .then([feed](std::optional<Error>&& error) { return after_failure(feed, *error); });
}

kj::Promise<void> Watch::Feed::follow(std::shared_ptr<Feed> feed) {
  {
    const std::lock_guard lock(feed->mutex);
    if (feed->ended) return kj::READY_NOW;
  }
  return feed->link->line(Need::session).then([feed](Result<LinePtr>&& line) -> kj::Promise<void> {
    if (!line.ok()) return after_failure(feed, line.error());
    return follow_on(feed, *line);
  });
}

Watch::Watch(std::shared_ptr<Link> link, Cursor cursor)
    : link_(std::move(link)), feed_(std::make_shared<Feed>()) {
  feed_->link = link_.get();
  feed_->last = cursor;
  link_->post([feed = feed_] {
    auto pair = kj::newPromiseAndFulfiller<void>();
    feed->cancel = kj::mv(pair.fulfiller);
    feed->link->keep(Feed::follow(feed).exclusiveJoin(kj::mv(pair.promise)));
  });
}

Watch::~Watch() {
  stop();
  // What the feed holds of KJ has to be let go on the loop: the last reference goes there.
  link_->post([feed = std::move(feed_)] {
    ++feed->generation;
    if (feed->cancel.get() != nullptr) feed->cancel->fulfill();
  });
}

Result<std::optional<ChangePage>> Watch::next(std::chrono::milliseconds timeout) {
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> room;
  std::optional<ChangePage> page;
  {
    std::unique_lock lock(feed_->mutex);
    feed_->changed.wait_for(lock, timeout, [&] { return !feed_->pages.empty() || feed_->ended; });
    if (feed_->pages.empty()) {
      if (feed_->ended) return *feed_->ended;
      return std::optional<ChangePage>();
    }
    page = std::move(feed_->pages.front());
    feed_->pages.pop_front();
    room = kj::mv(feed_->room);
  }
  if (room.get() != nullptr) room->fulfill();
  return page;
}

void Watch::stop() {
  const std::lock_guard lock(feed_->mutex);
  feed_->pages.clear();
  feed_->ended = Error{Errc::cancelled, "the watch was stopped"};
  feed_->changed.notify_all();
}

}  // namespace cairn::client
