// The watches of one session: each sends its drive's changes from a cursor on, one page at a time, and
// moves on when the page was taken. Part of the session actor; its thread only.
#pragma once

#include <map>
#include <memory>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/floor.hpp"

namespace cairn::actors {

class Watches {
 public:
  /// `floor`: the session's.
  Watches(SessionActor::pointer self, AccountId account, std::shared_ptr<Routes> routes, cluster::Floor& floor)
      : self_(self), account_(account), routes_(std::move(routes)), floor_(floor) {}

  /// Tells every watch that is left that it has ended.
  ~Watches();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  /// Answers the watch's number, or busy at limits::max_watches_per_session.
  void add(const SessionWatch& message);
  void remove(std::uint64_t watch);
  void answered(const WatchAnswered& message);
  /// The drive's journal has a new end, or may have one.
  void grew(const JournalGrew& message);
  /// The hub has failed: subscribe again soon, and look for what was missed meanwhile.
  void hub_down();
  void retry();
  void end_all(const Error& why);

 private:
  struct Watch {
    Cursor cursor;  // everything up to here was taken
    Cursor sent;    // the end of the page that is out
    std::shared_ptr<WatchTarget> target;
    bool busy = false;  // reading a page, or one is out
    bool stale = true;  // there may be more after `cursor`
  };

  void subscribe();
  void retry_soon();
  void pump(std::uint64_t number);
  void pump_all();
  void page(std::uint64_t number, Result<ChangePage> page);
  void end(std::uint64_t number, const Error& why);

  SessionActor::pointer self_;
  AccountId account_;
  std::shared_ptr<Routes> routes_;
  cluster::Floor& floor_;
  cluster::Floor grown_;  // where the growth is that was told last
  std::map<std::uint64_t, Watch> watches_;
  std::uint64_t last_number_ = 0;
  bool subscribed_ = false;
  std::shared_ptr<const void> growth_wanted_;  // while there are watches
  bool retrying_ = false;
};

}  // namespace cairn::actors
