// Mark by pages over the shards, then one sweep of the block store.
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <vector>

#include "actors/blocks.hpp"
#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/shard_calls.hpp"

namespace cairn::actors {
namespace {

constexpr std::uint32_t references_per_page = 10'000;

// One collection at a time: mark by pages, then sweep.
class Collector {
 public:
  Collector(CollectorActor::pointer self, cluster::Config::Blocks config, std::shared_ptr<Routes> routes)
      : self_(self), config_(std::move(config)), routes_(std::move(routes)) {
    set_timer();
  }

  void collect(const Reply<storage::SweepReport>& reply) {
    if (marking_) return reply(Error{Errc::busy, "a collection is under way"});
    marking_ = true;
    marked_at_ = now();
    marks_.clear();
    reply_ = reply;
    mark({});
  }

  void timer() {
    set_timer();
    collect(Reply<storage::SweepReport>([](const Result<storage::SweepReport>& report) {
      if (!report) return log_warning("garbage collection: {}", report.error().message);
      log_info("garbage collection: {} blocks, {} referenced, {} newly quarantined, {} restored, {} deleted",
               report->examined, report->referenced, report->quarantined, report->restored, report->deleted);
    }));
  }

 private:
  void mark(Bytes after) {
    ask_shard(self_, *routes_, Slot{0}, cluster::ListReferences{std::move(after), references_per_page},
              [this](cluster::QueryResult result) { marked(expect<cluster::References>(std::move(result))); });
  }

  void marked(Result<cluster::References> page) {
    if (!page) return finish(page.error());
    for (const auto& id : page->blocks) marks_.push_back(mark_of(id));
    if (!page->next.empty()) return mark(std::move(page->next));
    std::sort(marks_.begin(), marks_.end());
    marks_.erase(std::unique(marks_.begin(), marks_.end()), marks_.end());
    const auto writer = routes_->block_writer();
    if (!writer) return finish(Error{Errc::unavailable, "the block store is starting"});
    self_->send(writer, SweepBlocks{std::make_shared<const std::vector<std::uint64_t>>(std::move(marks_)), marked_at_,
                                    std::exchange(reply_, {})});
    marking_ = false;
  }

  void finish(const Error& error) {
    marking_ = false;
    std::exchange(reply_, {})(error);
  }

  void set_timer() { self_->delayed_send(CollectorActor{self_}, config_.collect_interval, TimerFired{0}); }

  CollectorActor::pointer self_;
  cluster::Config::Blocks config_;
  std::shared_ptr<Routes> routes_;
  bool marking_ = false;
  Timestamp marked_at_;
  std::vector<std::uint64_t> marks_;
  Reply<storage::SweepReport> reply_;
};

}  // namespace

CollectorActor::behavior_type collector(CollectorActor::pointer self, cluster::Config::Blocks config,
                                        std::shared_ptr<Routes> routes) {
  auto state = std::make_shared<Collector>(self, std::move(config), std::move(routes));
  return {
      [state](const CollectNow& message) { state->collect(message.reply); },
      [state](const TimerFired&) { state->timer(); },
  };
}

}  // namespace cairn::actors
