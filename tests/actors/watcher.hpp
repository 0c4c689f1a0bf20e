// A watcher of a drive, as the client would be: what it was sent, page by page.
#pragma once

#include <atomic>
#include <memory>

#include "actors/messages.hpp"
#include "tests/actors/actor_fixture.hpp"

namespace cairn::actors::test {

/// Each page waits for the test to take it, unless `take_at_once`. A session may tell it something after the test's
/// own object has gone.
class Watcher {
 public:
  struct Page {
    std::uint64_t first, last;
    Reply<bool> reply;
  };

 private:
  struct Heard {
    Events<Page> pages;
    Events<Errc> ended;
    std::atomic<bool> take_at_once = true;
  };
  std::shared_ptr<Heard> heard_ = std::make_shared<Heard>();

 public:
  Events<Page>& pages = heard_->pages;
  Events<Errc>& ended = heard_->ended;
  std::atomic<bool>& take_at_once = heard_->take_at_once;

  std::shared_ptr<WatchTarget> target() {
    auto target = std::make_shared<WatchTarget>();
    target->changed = [heard = heard_](const ChangePage& page, const Reply<bool>& reply) {
      heard->pages.add({page.events.front().cursor.value, page.events.back().cursor.value, reply});
      if (heard->take_at_once) reply(true);
    };
    target->ended = [heard = heard_](const Error& why) { heard->ended.add(why.code); };
    return target;
  }
  bool reached(std::uint64_t cursor) {
    return pages.wait([&](const auto& all) { return !all.empty() && all.back().last >= cursor; });
  }
};

}  // namespace cairn::actors::test
