// The last words of a node that does not start.
#include <condition_variable>
#include <mutex>
#include <utility>

#include "actors/link.hpp"
#include "actors/log.hpp"

namespace cairn::actors {
namespace {

/// Counts who was told: this side, too, warns of each refusal once.
class Told final : public LinkListener {
 public:
  void link_up(const NodeName&, std::uint64_t) override {}
  void link_down(const NodeName&, const Error&) override {}
  void received(const NodeName&, std::uint8_t, Bytes) override {}
  void warned(const NodeName&, const std::string&) override {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  void wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limits::link_refusal_patience, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

}  // namespace

void tell_why_not(LinkOptions options, std::map<NodeName, LinkPeer> peers, const Error& why) {
  peers.erase(options.self);
  for (auto& [name, peer] : peers) peer.dial = true;
  options.refusal = why;
  options.listen = "127.0.0.1:0";
  options.redial_first = options.redial_most = limits::link_refusal_patience;
  const auto told = std::make_shared<Told>();
  auto links = Links::start(std::move(options), told);
  if (!links) return log_warning("nobody is told why this node does not start: {}", links.error().message);
  const auto count = peers.size();
  if (const auto set = (*links)->set_peers(std::move(peers)); !set)
    return log_warning("nobody is told why this node does not start: {}", set.error().message);
  told->wait(count);
}

}  // namespace cairn::actors
