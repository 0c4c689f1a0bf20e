#include "actors/peers.hpp"

#include <caf/send.hpp>

#include <map>
#include <mutex>
#include <utility>

#include "actors/log.hpp"
#include "actors/inline_runner.hpp"

namespace cairn::actors {
namespace {

// Answers to one node's calls. They wait for each other, not for the link.
class AnswersTo final : public AnswerSink {
 public:
  AnswersTo(std::weak_ptr<NodeNetwork> network, NodeName node) : network_(std::move(network)), node_(std::move(node)) {}

  void put(std::uint64_t number, Answer answer) override {
    const auto bytes = size_in_frame(answer);
    if (bytes > limits::call_frame_bytes) {
      Writer alone;
      append_answer(alone, number, answer);
      return send(alone.take());
    }
    Bytes full;
    {
      const std::lock_guard lock(mutex_);
      if (frame_.view().size() + bytes > limits::call_frame_bytes) full = frame_.take();
      append_answer(frame_, number, answer);
    }
    send(std::move(full));
  }

  void flush() override {
    std::unique_lock lock(mutex_);
    auto frame = frame_.take();
    lock.unlock();
    send(std::move(frame));
  }

 private:
  void send(Bytes frame) {
    if (frame.empty()) return;
    const auto channel = channel_for(Channel::answer, Channel::answer_bulk, frame.size());
    // Who asked notices that the link is down, or waits no more.
    if (const auto network = network_.lock()) (void)network->send(node_, channel, std::move(frame));
  }

  const std::weak_ptr<NodeNetwork> network_;
  const NodeName node_;
  std::mutex mutex_;
  Writer frame_;
};

class LinkedPeers final : public Peers, public std::enable_shared_from_this<LinkedPeers> {
 public:
  explicit LinkedPeers(std::shared_ptr<Routes> routes) : routes_(std::move(routes)) {}
  ~LinkedPeers() override { stop(); }

  Result<void> begin(LinkOptions options);

  void send(cluster::directory::ShardId shard, const cluster::Message& message) override {
    const auto map = routes_->map();
    const auto& node = map->node_of(message.to);
    if (node.empty()) return;
    auto frame = encode(shard, message);
    const auto channel =
        std::holds_alternative<cluster::SnapshotChunk>(message.body) ? Channel::raft_bulk : Channel::raft;
    (void)send(node.text(), channel, std::move(frame));  // lost: consensus asks again
  }

  using Peers::send;
  Result<void> send(const NodeName& to, Channel channel, Bytes frame) override {
    if (!links_) return Error{Errc::unavailable, "this node has no links"};
    return links_->send(to, static_cast<std::uint8_t>(channel), std::move(frame));
  }

  Result<void> set_peers(std::map<NodeName, LinkPeer> peers) override {
    return links_ ? links_->set_peers(std::move(peers)) : Result<void>();
  }
  std::string address() const override { return links_ ? links_->address() : std::string(); }
  std::vector<LinkStatus> status() const override { return links_ ? links_->status() : std::vector<LinkStatus>(); }
  std::uint64_t strangers() const override { return links_ ? links_->strangers() : 0; }
  void inject(const NodeName& peer, LinkFault fault) override {
    if (links_) links_->inject(peer, fault);
  }
  void stop() override {
    if (links_) links_->stop();
  }

  // From the links' thread.

  void changed(const NodeName& peer, bool up, std::uint64_t incarnation) {
    const LinkChanged message{peer, up, incarnation};
    tell(routes_->router(), message);
    tell(routes_->watch_hub(), message);
    tell(routes_->agent(), message);
    if (up) return;
    askers_.erase(peer);
    peer_down(peer);
  }

  void warned(const NodeName& peer, const std::string& sentence) {
    tell(routes_->agent(), PeerWarned{peer, sentence});
  }

  void received(const NodeName& from, std::uint8_t channel, Bytes frame) {
    received_bytes_ += frame.size();
    switch (static_cast<Channel>(channel)) {
      case Channel::raft:
      case Channel::raft_bulk:
        return raft(from, frame);
      case Channel::call:
      case Channel::call_bulk:
        return call(from, frame);
      case Channel::answer:
      case Channel::answer_bulk:
        return answer(from, frame);
      case Channel::control:
        return tell(routes_->agent(), ControlReceived{from, std::move(frame)});
      case Channel::watch:
        return tell(routes_->watch_hub(), WatchReceived{from, std::move(frame)});
    }
    bad(from, {Errc::protocol, "unknown channel " + std::to_string(channel)});
  }

  // Where much comes, links and actors had better work side by side.
  void caught_up() {
    const bool little = std::exchange(received_bytes_, 0) <= limits::link_inline_bytes;
    const bool few = std::exchange(received_calls_, 0) <= limits::link_inline_calls;
    if (little && few)
      runner_.run();
    else
      runner_.leave();
  }

 private:
  template <class Actor, class Message>
  static void tell(const Actor& actor, Message message) {
    if (actor) caf::anon_send(actor, std::move(message));
  }
  /// As tell(), for what somebody waits for.
  template <class Actor, class Message>
  void hand(const Actor& actor, Message message) {
    if (actor) runner_.send(actor, std::move(message));
  }

  void bad(const NodeName& from, const Error& why) { log_warning("a frame of {} is dropped: {}", from, why.message); }

  void peer_down(const NodeName& peer) {
    const auto map = routes_->map();
    for (const auto& [id, actor] : routes_->replicas()) {
      const auto* shard = map->find(id);
      if (!shard) continue;
      for (const auto& replica : shard->replicas)
        if (replica.node.text() == peer) tell(actor, PeerDown{replica.id});
    }
  }

  void raft(const NodeName& from, BytesView frame) {
    auto decoded = decode_raft_frame(frame);
    if (!decoded) return bad(from, decoded.error());
    hand(routes_->replica(decoded->shard), RaftReceived{std::move(decoded->message)});
  }

  void call(const NodeName& from, BytesView frame) {
    auto calls = decode_calls(frame);
    if (!calls) return bad(from, calls.error());
    received_calls_ += calls->size();
    auto& sink = askers_[from];
    if (!sink) sink = std::make_shared<AnswersTo>(weak_from_this(), from);
    std::map<std::uint32_t, std::vector<RemoteRequest>> by_shard;
    std::vector<RemoteRequest> to_relay;
    for (auto& call : *calls) {
      const auto shard = std::visit([](const auto& request) { return request.target.shard; }, call.request);
      auto& list = call.relay ? to_relay : by_shard[shard];
      list.push_back({std::move(call.request), RemoteAsker(sink, call.number)});
    }
    bool refused = false;
    const auto hand_or_refuse = [&](const auto& actor, auto message) {
      if (actor) return hand(actor, std::move(message));
      for (auto& request : *message.all) request.asker.put(Answer{{}, Served::not_here, 0, 0});
      refused = true;
    };
    if (!to_relay.empty())
      hand_or_refuse(routes_->router(),
                     RelayRequests{std::make_shared<std::vector<RemoteRequest>>(std::move(to_relay))});
    for (auto& [shard, requests] : by_shard)
      hand_or_refuse(routes_->replica(cluster::directory::ShardId{shard}),
                     RemoteRequests{std::make_shared<std::vector<RemoteRequest>>(std::move(requests))});
    if (refused) sink->flush();
  }

  void answer(const NodeName& from, BytesView frame) {
    auto answers = decode_answers(frame);
    if (!answers) return bad(from, answers.error());
    hand(routes_->router(), AnswersReceived{from, std::move(*answers)});
  }

  std::shared_ptr<Routes> routes_;
  std::unique_ptr<Links> links_;
  // The links' thread only:
  InlineRunner runner_;
  std::map<NodeName, std::shared_ptr<AnswerSink>> askers_;
  // Since it caught up:
  std::size_t received_bytes_ = 0;
  std::size_t received_calls_ = 0;
};

// What the links call; it does not keep the peers alive.
class Listener final : public LinkListener {
 public:
  explicit Listener(LinkedPeers& peers) : peers_(peers) {}
  void link_up(const NodeName& peer, std::uint64_t incarnation) override {
    log_info("link to {} is up (incarnation {})", peer, incarnation);
    peers_.changed(peer, true, incarnation);
  }
  void link_down(const NodeName& peer, const Error& why) override {
    log_warning("link to {} is down: {}", peer, why.message);
    peers_.changed(peer, false, 0);
  }
  void received(const NodeName& from, std::uint8_t channel, Bytes frame) override {
    peers_.received(from, channel, std::move(frame));
  }
  void warned(const NodeName& peer, const std::string& sentence) override {
    log_warning("link to {}: {}", peer, sentence);
    peers_.warned(peer, sentence);
  }
  void caught_up() override { peers_.caught_up(); }

 private:
  LinkedPeers& peers_;  // stops the links before it goes
};

Result<void> LinkedPeers::begin(LinkOptions options) {
  auto links = Links::start(std::move(options), std::make_shared<Listener>(*this));
  if (!links) return links.error();
  links_ = std::move(*links);
  return {};
}

}  // namespace

Result<std::shared_ptr<Peers>> Peers::start(std::optional<LinkOptions> options, std::shared_ptr<Routes> routes) {
  auto peers = std::make_shared<LinkedPeers>(std::move(routes));
  if (options) CAIRN_TRY(peers->begin(std::move(*options)));
  return std::shared_ptr<Peers>(std::move(peers));
}

}  // namespace cairn::actors
