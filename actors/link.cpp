#include "actors/link.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "actors/link_address.hpp"
#include "actors/link_connection.hpp"
#include "actors/link_tls.hpp"
#include "protocol/certificates.hpp"
#include "protocol/names.hpp"

namespace cairn::actors {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// When no connection can be accepted (no file descriptors), the next try.
constexpr auto accept_pause = std::chrono::milliseconds(100);
/// Of the pause between two tries, so that it does not overflow; redial_most ends it before.
constexpr unsigned max_doublings = 20;

Result<void> check(const LinkOptions& options) {
  const auto wrong = [](const char* what) { return Error{Errc::bad_config, std::string("links: ") + what}; };
  CAIRN_TRY(check_node_name(options.self));
  if (options.cluster_id.empty() || options.cluster_id.size() > 64) return wrong("cluster_id is 1 to 64 bytes long");
  if (options.heartbeat_interval.count() < 1 || options.silence_timeout <= 2 * options.heartbeat_interval)
    return wrong("silence_timeout must be over twice the heartbeat_interval");
  if (options.handshake_timeout.count() < 1) return wrong("handshake_timeout is at least 1 ms");
  if (options.redial_first.count() < 1 || options.redial_most < options.redial_first)
    return wrong("redial_first is at least 1 ms and at most redial_most");
  if (options.max_handshakes < 1) return wrong("max_handshakes is at least 1");
  return {};
}

struct Peer {
  explicit Peer(asio::io_context& io) : redial(io) {}

  HostPort address;
  bool dial = false;
  bool guest = false;                       ///< not of set_peers()
  std::shared_ptr<LinkConnection> link;     ///< that is up
  std::shared_ptr<LinkConnection> attempt;  ///< to dial
  asio::steady_timer redial;
  unsigned failures = 0;  ///< in a row
  LinkClock::time_point up_since;
  std::string warned;  ///< the last sentence
  std::shared_ptr<LinkCounters> counters = std::make_shared<LinkCounters>();
  LinkStatus status;  ///< but for what counters and link know
};

class LinkHub final : public Links, public LinkConnection::Owner {
 public:
  LinkHub(LinkOptions options, std::shared_ptr<const TlsContext> tls, std::shared_ptr<LinkListener> listener)
      : shared_{std::move(options), std::move(tls)}, listener_(std::move(listener)) {}
  ~LinkHub() override { stop(); }

  Result<void> listen();
  Result<void> send(const NodeName& to, std::uint8_t channel, Bytes frame) override;
  Result<void> set_peers(std::map<NodeName, LinkPeer> peers) override;
  const std::string& address() const override { return address_; }
  std::vector<LinkStatus> status() const override;
  std::uint64_t strangers() const override { return strange_.load(std::memory_order_relaxed); }
  void inject(const NodeName& peer, LinkFault fault) override;
  void stop() override;

 private:
  void accept_next();
  void accepted(tcp::socket socket);
  std::shared_ptr<LinkConnection> add_connection(const NodeName& dialled);
  void put_peers(const std::map<NodeName, LinkPeer>& peers);
  Peer& add_peer(const NodeName& name);
  void forget(const NodeName& name);
  void dial(const NodeName& name);
  void dial_later(const NodeName& name, Peer& peer);
  void failed(const NodeName& name, Peer& peer, const Error& why);
  void take_down(const NodeName& name, Peer& peer, const Error& why);
  void warn(const NodeName& name, const std::string& sentence);
  void close_all();
  const LinkFault& fault_of(const NodeName& name) const;
  Peer* find(const NodeName& name);

  Result<void> authenticated(LinkConnection& connection) override;
  Result<void> greeted(LinkConnection& connection, const LinkHello& hello) override;
  void up(LinkConnection& connection) override;
  void received(LinkConnection& connection, std::uint8_t channel, Bytes frame) override;
  void ended(LinkConnection& connection, const Error& why) override;
  void gone(LinkConnection& connection) override;
  void caught_up() override { listener_->caught_up(); }

  LinkShared shared_;
  std::shared_ptr<LinkListener> listener_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(shared_.io);
  tcp::acceptor acceptor_{shared_.io};
  asio::steady_timer accept_timer_{shared_.io};
  std::string address_;
  std::thread thread_;
  std::mutex stopping_;
  std::atomic<std::uint64_t> strange_{0};

  // The thread's own.
  bool closed_ = false;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, std::shared_ptr<LinkConnection>> connections_;
  std::set<std::uint64_t> handshakes_;  ///< accepted, and no certificate seen yet; the oldest first
  std::map<NodeName, LinkFault> faults_;

  /// Guards routes_; the shape of peers_ and the status of each, which only the thread changes.
  mutable std::mutex mutex_;
  std::map<NodeName, std::shared_ptr<LinkConnection>> routes_;  ///< of links that are up
  std::map<NodeName, Peer> peers_;
};

Result<void> LinkHub::listen() {
  const auto address = split_address(shared_.options.listen);
  if (!address) return Error{Errc::bad_config, address.error().message};
  error_code failed;
  const auto ip = asio::ip::make_address(address->host, failed);
  if (failed) return Error{Errc::bad_config, "links listen on an IP address, not \"" + printable(address->host) + "\""};
  const tcp::endpoint endpoint(ip, address->port);
  acceptor_.open(endpoint.protocol(), failed);
  if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor_.bind(endpoint, failed);
  if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
  const auto bound = failed ? tcp::endpoint() : acceptor_.local_endpoint(failed);
  if (failed) return Error{Errc::io, "listening on " + shared_.options.listen + ": " + failed.message()};
  address_ = join_address({bound.address().to_string(), bound.port()});
  accept_next();
  thread_ = std::thread([this] { shared_.io.run(); });
  return {};
}

Result<void> LinkHub::send(const NodeName& to, std::uint8_t channel, Bytes frame) {
  if (frame.size() > limits::max_link_frame_bytes)
    return Error{Errc::too_large, "a frame has at most " + std::to_string(limits::max_link_frame_bytes) + " bytes"};
  std::shared_ptr<LinkConnection> link;
  {
    const std::lock_guard lock(mutex_);
    const auto found = routes_.find(to);
    if (found != routes_.end()) link = found->second;
  }
  if (!link) return Error{Errc::unavailable, "no link to " + printable(to, 80)};
  return link->put(channel, std::move(frame));
}

Result<void> LinkHub::set_peers(std::map<NodeName, LinkPeer> peers) {
  peers.erase(shared_.options.self);
  if (peers.size() > limits::max_link_peers)
    return Error{Errc::too_large, "at most " + std::to_string(limits::max_link_peers) + " peers"};
  for (const auto& [name, peer] : peers) {
    CAIRN_TRY(check_node_name(name));
    if (const auto split = split_address(peer.address); !split) return split.error();
  }
  asio::post(shared_.io, [this, peers = std::move(peers)] {
    if (!closed_) put_peers(peers);
  });
  return {};
}

Peer& LinkHub::add_peer(const NodeName& name) {
  const std::lock_guard lock(mutex_);
  auto& peer = peers_.try_emplace(name, shared_.io).first->second;
  peer.status.peer = name;
  return peer;
}

void LinkHub::forget(const NodeName& name) {
  const std::lock_guard lock(mutex_);
  peers_.erase(name);
}

void LinkHub::put_peers(const std::map<NodeName, LinkPeer>& peers) {
  std::vector<NodeName> unwanted;
  for (const auto& [name, peer] : peers_)
    if (!peer.guest && !peers.contains(name)) unwanted.push_back(name);
  for (const auto& name : unwanted) {
    auto& peer = peers_.at(name);
    if (peer.attempt) peer.attempt->close();
    if (peer.link) take_down(name, peer, {Errc::not_found, name + " is no longer a node of the cluster"});
    forget(name);
  }
  for (const auto& [name, wanted] : peers) {
    auto* peer = find(name);
    if (!peer) peer = &add_peer(name);
    peer->guest = false;
    if (peer->status.address == wanted.address && peer->dial == wanted.dial) continue;
    const bool moved = peer->status.address != wanted.address;
    {
      const std::lock_guard lock(mutex_);
      peer->status.address = wanted.address;
      peer->status.dials = wanted.dial;
    }
    peer->address = *split_address(wanted.address);
    peer->dial = wanted.dial;
    peer->failures = 0;
    if (peer->attempt && (moved || !wanted.dial)) peer->attempt->close();
    if (!peer->link) wanted.dial ? dial(name) : dial_later(name, *peer);
  }
}

std::vector<LinkStatus> LinkHub::status() const {
  std::vector<LinkStatus> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, peer] : peers_) {
    auto& status = out.emplace_back(peer.status);
    const auto& counters = *peer.counters;
    status.frames_sent = counters.frames_sent.load(std::memory_order_relaxed);
    status.bytes_sent = counters.bytes_sent.load(std::memory_order_relaxed);
    status.frames_received = counters.frames_received.load(std::memory_order_relaxed);
    status.bytes_received = counters.bytes_received.load(std::memory_order_relaxed);
    if (const auto route = routes_.find(name); route != routes_.end())
      status.buffered_bytes = route->second->buffered_bytes();
  }
  return out;
}

void LinkHub::inject(const NodeName& name, LinkFault fault) {
  const std::lock_guard running(stopping_);
  if (!thread_.joinable()) return;
  std::promise<void> done;
  asio::post(shared_.io, [&] {
    faults_[name] = fault;
    auto* peer = find(name);
    if (peer && peer->link) peer->link->set_fault(fault);
    if (peer && peer->attempt && (fault.cut_sending || fault.cut_receiving)) {
      peer->attempt->close();
      dial_later(name, *peer);
    }
    done.set_value();
  });
  done.get_future().wait();
}

void LinkHub::stop() {
  const std::lock_guard once(stopping_);
  if (!thread_.joinable()) return;
  asio::post(shared_.io, [this] {
    close_all();
    shared_.io.stop();
  });
  thread_.join();
}

void LinkHub::close_all() {
  closed_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  accept_timer_.cancel();
  for (auto& [name, peer] : peers_)
    if (peer.link) take_down(name, peer, {Errc::cancelled, "this node stops"});
  while (!connections_.empty()) {
    const auto connection = connections_.begin()->second;
    connection->close();
    connections_.erase(connection->number());
  }
  for (auto& [name, peer] : peers_) peer.redial.cancel();
}

Peer* LinkHub::find(const NodeName& name) {
  const auto found = peers_.find(name);
  return found == peers_.end() ? nullptr : &found->second;
}

const LinkFault& LinkHub::fault_of(const NodeName& name) const {
  static const LinkFault none;
  const auto found = faults_.find(name);
  return found == faults_.end() ? none : found->second;
}

// Coming in.

void LinkHub::accept_next() {
  acceptor_.async_accept([this](error_code code, tcp::socket socket) {
    if (closed_) return;
    if (!code) {
      accepted(std::move(socket));
      return accept_next();
    }
    accept_timer_.expires_after(accept_pause);
    accept_timer_.async_wait([this](error_code) {
      if (!closed_) accept_next();
    });
  });
}

void LinkHub::accepted(tcp::socket socket) {
  // Who floods the port pushes out the oldest: mostly its own, since an honest handshake is over in milliseconds.
  if (handshakes_.size() >= shared_.options.max_handshakes) {
    strange_.fetch_add(1, std::memory_order_relaxed);
    const auto oldest = connections_.at(*handshakes_.begin());
    oldest->close();
  }
  const auto connection = add_connection("");
  handshakes_.insert(connection->number());
  connection->accept(std::move(socket));
}

std::shared_ptr<LinkConnection> LinkHub::add_connection(const NodeName& dialled) {
  auto connection = std::make_shared<LinkConnection>(shared_, *this, ++last_number_, dialled);
  connections_.emplace(connection->number(), connection);
  return connection;
}

// Going out.

void LinkHub::dial(const NodeName& name) {
  auto* peer = find(name);
  if (closed_ || !peer || peer->guest || peer->link || peer->attempt) return;
  const auto& fault = fault_of(name);
  if (fault.cut_sending || fault.cut_receiving)
    return failed(name, *peer, {Errc::unavailable, "the way to " + name + " is cut"});
  {
    const std::lock_guard lock(mutex_);
    peer->status.state = LinkState::connecting;
  }
  const auto attempt = peer->attempt = add_connection(name);
  attempt->dial(peer->address);
}

void LinkHub::dial_later(const NodeName& name, Peer& peer) {
  if (closed_ || peer.guest) return;
  const auto& options = shared_.options;
  const auto most = std::min<std::int64_t>(options.redial_most.count(), options.redial_first.count() << peer.failures);
  const auto pause = std::uniform_int_distribution<std::int64_t>((most + 1) / 2, most)(shared_.random);
  const auto patience = peer.dial ? std::chrono::milliseconds(0) : options.dial_patience;
  peer.redial.expires_after(patience + std::chrono::milliseconds(pause));
  peer.redial.async_wait([this, name](error_code code) {
    if (!code) dial(name);
  });
}

void LinkHub::failed(const NodeName& name, Peer& peer, const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!peer.link) peer.status.state = LinkState::waiting;
    peer.status.last_error = why.message;
  }
  if (why.code != Errc::unavailable && why.code != Errc::timed_out) warn(name, why.message);
  if (auto* still = find(name); still && !still->link) {
    still->failures = std::min(still->failures + 1, max_doublings);
    dial_later(name, *still);
  }
}

void LinkHub::warn(const NodeName& name, const std::string& sentence) {
  auto* peer = find(name);
  if (!peer || peer->warned == sentence) return;
  peer->warned = sentence;
  listener_->warned(name, sentence);
}

// What connections say.

Result<void> LinkHub::authenticated(LinkConnection& connection) {
  handshakes_.erase(connection.number());
  const auto& name = connection.peer();
  const auto& self = shared_.options.self;
  if (name == self) return Error{Errc::permission_denied, "the peer's certificate bears this node's own name, " + self};
  auto* peer = find(name);
  if (connection.dials()) {
    if (name != connection.dialled())
      return Error{Errc::permission_denied, connection.dialled() + " was dialled and " + name + " is there"};
    if (!peer) return Error{Errc::not_found, name + " is not known at " + self};
  } else if (!peer) {
    if (peers_.size() >= limits::max_link_peers) return Error{Errc::busy, self + " has all the links that it can have"};
    peer = &add_peer(name);
    peer->guest = true;
  }
  if (shared_.options.refusal) return *shared_.options.refusal;
  const auto& fault = fault_of(name);
  if (fault.cut_sending || fault.cut_receiving) {
    connection.close();
    return {};
  }
  connection.set_fault(fault);
  connection.set_counters(peer->counters);
  return {};
}

Result<void> LinkHub::greeted(LinkConnection& connection, const LinkHello& hello) {
  const auto& own = shared_.options;
  const auto& name = connection.peer();
  if (hello.cluster_id != own.cluster_id)
    return Error{Errc::permission_denied,
                 "another cluster: " + printable(hello.cluster_id, 80) + ", here " + own.cluster_id};
  if (hello.node != name)
    return Error{Errc::permission_denied,
                 "the peer calls itself \"" + printable(hello.node, 80) + "\" with the certificate of " + name};
  auto* peer = find(name);
  if (!peer) return Error{Errc::not_found, name + " is not known at " + own.self};
  if (hello.incarnation < peer->status.incarnation)
    return Error{Errc::conflict, name + " has incarnation " + std::to_string(hello.incarnation) +
                                     ", older than the one seen, " + std::to_string(peer->status.incarnation)};
  using std::chrono::milliseconds;
  const auto here = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto skew = static_cast<std::int64_t>(hello.clock_millis - static_cast<std::uint64_t>(here.count()));
  {
    const std::lock_guard lock(mutex_);
    peer->status.clock_skew = milliseconds(skew);
  }
  const auto most = own.max_clock_skew.count();
  if (skew > most || skew < -most)
    warn(name, "the clock of " + name + " is " + (skew > 0 ? "ahead" : "behind") + " by more than " +
                   std::to_string(most) + " ms");
  return {};
}

void LinkHub::up(LinkConnection& connection) {
  const auto name = connection.peer();
  auto* peer = find(name);
  if (!peer || connection.incarnation() < peer->status.incarnation) {
    connection.close();
    return;
  }
  // Of two that cross, both ends keep the same: that which the smaller name dialled.
  const bool again = peer->link && peer->link->incarnation() == connection.incarnation();
  if (again && connection.dials() != peer->link->dials() && connection.dials() == (name < shared_.options.self)) {
    connection.close();
    return;
  }
  if (peer->link) take_down(name, *peer, {Errc::conflict, "a newer connection of " + name + " takes its place"});
  const auto self = connection.shared_from_this();
  if (peer->attempt == self) peer->attempt.reset();
  peer->redial.cancel();
  peer->link = self;
  peer->up_since = LinkClock::now();
  {
    const std::lock_guard lock(mutex_);
    routes_[name] = self;
    peer->status.state = LinkState::up;
    peer->status.incarnation = connection.incarnation();
    ++peer->status.times_up;
  }
  listener_->link_up(name, connection.incarnation());
}

void LinkHub::take_down(const NodeName& name, Peer& peer, const Error& why) {
  const auto connection = std::exchange(peer.link, nullptr);
  {
    const std::lock_guard lock(mutex_);
    routes_.erase(name);
    peer.status.state = LinkState::waiting;
    peer.status.last_error = why.message;
  }
  peer.warned.clear();
  // A link that breaks as soon as it is up is no reason to dial at once, and again.
  if (LinkClock::now() - peer.up_since >= shared_.options.redial_most) peer.failures = 0;
  connection->close();
  listener_->link_down(name, why);
}

void LinkHub::received(LinkConnection& connection, std::uint8_t channel, Bytes frame) {
  listener_->received(connection.peer(), channel, std::move(frame));
}

void LinkHub::ended(LinkConnection& connection, const Error& why) {
  const auto name = connection.dials() ? connection.dialled() : connection.peer();
  if (name.empty()) {
    strange_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto* peer = find(name);
  if (!peer) return;
  if (peer->link.get() == &connection) {
    take_down(name, *peer, why);
    if (peer->guest) return forget(name);
    peer->failures = std::min(peer->failures + 1, max_doublings);
    return dial_later(name, *peer);
  }
  if (peer->attempt.get() == &connection) peer->attempt.reset();
  failed(name, *peer, why);
  if (const auto* still = find(name); still && still->guest && !still->link) forget(name);
}

void LinkHub::gone(LinkConnection& connection) {
  handshakes_.erase(connection.number());
  auto* peer = find(connection.dialled());
  if (peer && peer->attempt.get() == &connection) peer->attempt.reset();
  connections_.erase(connection.number());
}

}  // namespace

Result<std::unique_ptr<Links>> Links::start(LinkOptions options, std::shared_ptr<LinkListener> listener) {
  CAIRN_TRY(check(options));
  auto tls = TlsContext::open(options.self, options.certificate, options.key, options.authority);
  if (!tls) return tls.error();
  auto links = std::make_unique<LinkHub>(std::move(options), std::move(*tls), std::move(listener));
  CAIRN_TRY(links->listen());
  return std::unique_ptr<Links>(std::move(links));
}

}  // namespace cairn::actors
