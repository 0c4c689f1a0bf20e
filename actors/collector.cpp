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

bool owns_all_slots(const cluster::ClusterMap& map) {
  std::uint32_t owned = 0;
  for (const auto& shard : map.slots().shards)
    for (const auto& range : shard.slots) owned += range.last - range.first + 1u;
  return owned == slot_count;
}

bool same_slots(const cluster::ClusterMap& a, const cluster::ClusterMap& b) {
  return a.epoch() == b.epoch() ||
         std::equal(a.slots().shards.begin(), a.slots().shards.end(), b.slots().shards.begin(), b.slots().shards.end(),
                    [](const auto& one, const auto& other) { return one.id == other.id && one.slots == other.slots; });
}

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
    begin_walk();
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
  // One shard after the other. `walk_` is the map by which they are walked: what is in a slot that no shard has
  // would not be marked, nor what moves from a shard that is yet to be walked to one that was.
  void begin_walk() {
    walk_ = routes_->map();
    if (!owns_all_slots(*walk_)) return finish({Errc::unavailable, "there is no shard yet for every slot"});
    shard_ = 0;
    mark({});
  }

  void mark(Bytes after) {
    const auto& shards = walk_->slots().shards;
    while (shard_ < shards.size() && shards[shard_].slots.empty()) ++shard_;  // the directory's has no drives
    if (shard_ == shards.size()) return sweep();
    ask_shard(self_, *routes_, Target{shards[shard_].id.value, whole_shard}, {},
              cluster::ListReferences{std::move(after), references_per_page},
              [this](cluster::QueryResult result, const cluster::Seen&) {
                marked(expect<cluster::References>(std::move(result)));
              });
  }

  void marked(Result<cluster::References> page) {
    if (!page) return finish(page.error());
    if (!same_slots(*routes_->map(), *walk_)) return finish({Errc::unavailable, "slots moved during the collection"});
    for (const auto& id : page->blocks) marks_.push_back(mark_of(id));
    if (page->next.empty()) ++shard_;
    mark(std::move(page->next));
  }

  void sweep() {
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
  std::shared_ptr<const cluster::ClusterMap> walk_;
  std::size_t shard_ = 0;  // of the walk, the one that is being read
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
