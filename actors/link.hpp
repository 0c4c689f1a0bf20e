// Links: one mutually authenticated TLS connection between this node and each node that it knows. Frames of a
// channel come whole, in order, at most once, or the link goes down and both ends are told; what was on its way
// then is lost.
//
// Frames between nodes are the links' own; actors get them from a LinkListener. CAF's remoting (BASP) is not
// carried inside: on loopback it would be a door without a lock for every local user, and it would cost each
// message two more copies and four more wake-ups.
//
// Rules. A peer that is known (set_peers) is dialled, again and again with growing pauses. A peer is who its
// certificate says; one that is not known may come all the same, as a guest, since who bears a certificate of the
// cluster may join it: it is dialled by nobody and forgotten with its link. Both ends refuse another link version,
// another cluster id, a name that the certificate does not bear, and their own name. A node's incarnation grows with
// each of its starts: a newer one takes the place of the link, an older one is refused. If both ends dial, the
// connection that the smaller name dialled stays.
//
// One thread runs it all and calls the listener. Every public call is for any thread and never blocks, but stop(),
// the destructor and inject(), which must not be called by the listener.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/link_frames.hpp"
#include "protocol/bytes.hpp"
#include "protocol/error.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

/// A node's name as in its certificate (protocol/certificates.hpp: check_node_name).
using NodeName = std::string;

struct LinkOptions {
  NodeName self;
  std::string cluster_id;                    ///< 1 to 64 bytes; the same on every node of the cluster
  std::uint64_t incarnation = 0;             ///< more than at this node's last start
  std::string listen = "127.0.0.1:0";        ///< address:port, "[::1]:port"; port 0 takes a free one
  std::string certificate, key, authority;   ///< PEM files
  std::chrono::milliseconds heartbeat_interval = limits::link_heartbeat_interval;
  std::chrono::milliseconds silence_timeout = limits::link_silence_timeout;  ///< over twice the heartbeat_interval
  std::chrono::milliseconds handshake_timeout = limits::link_handshake_timeout;  ///< from connect to up
  std::chrono::milliseconds redial_first = limits::link_redial_first;  ///< then doubled, less up to half at random
  std::chrono::milliseconds redial_most = limits::link_redial_most;
  std::chrono::milliseconds dial_patience = limits::link_dial_patience;  ///< before dialling a peer that should dial
  std::chrono::milliseconds max_clock_skew = limits::max_link_clock_skew;
  std::size_t max_buffered_bytes = limits::max_link_buffered_bytes;          ///< per peer
  std::size_t max_handshakes = limits::max_link_handshakes;
  std::optional<Error> refusal;              ///< no link comes up: whoever shows a certificate is told this
};

/// Told what happens, one call at a time, on the links' thread: must not block.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  /// The peer can be sent to. Never twice for a peer without a link_down between.
  virtual void link_up(const NodeName& peer, std::uint64_t incarnation) = 0;
  /// As soon as the connection broke, or the peer was silent (timed_out), was replaced (conflict), broke the
  /// protocol, is no longer known (not_found), or stop() was called (cancelled). `unavailable` otherwise.
  virtual void link_down(const NodeName& peer, const Error& why) = 0;
  virtual void received(const NodeName& from, std::uint8_t channel, Bytes frame) = 0;
  /// Something an operator should see: a clock that is wrong, a peer that is refused or refuses. The same sentence
  /// about the same peer is not repeated until its link was up again.
  virtual void warned(const NodeName& peer, const std::string& sentence) = 0;
  /// All that a link had to read for now was told.
  virtual void caught_up() {}
};

/// Trouble with one peer, on this node's side of the link, for tests. Connections that are up stay so until silence
/// is noticed; new ones fail while either direction is cut. That this node gave up a connection is heard by the peer
/// unless the peer's side is cut too.
struct LinkFault {
  bool cut_sending = false;             ///< what is sent, heartbeats too, vanishes
  bool cut_receiving = false;           ///< what is received, an end of the connection too, vanishes
  std::chrono::milliseconds delay{0};   ///< added to every frame sent; order is kept
  double loss = 0;                      ///< share of sent frames that vanish; heartbeats do not
};

/// Another node, to be held a link with.
struct LinkPeer {
  std::string address;                  ///< host:port
  /// This node dials at once, and not only after dial_patience without a link. Of two nodes that know each other one
  /// should, the smaller name; so should who knows a peer that may not know it.
  bool dial = true;
  friend bool operator==(const LinkPeer&, const LinkPeer&) = default;
};

enum class LinkState : std::uint8_t {
  waiting,     ///< for the next try, or for the peer to dial
  connecting,
  up,
};

struct LinkStatus {
  NodeName peer;
  std::string address;
  LinkState state = LinkState::waiting;
  bool dials = false;                   ///< this node dials at once, not the peer
  std::uint64_t incarnation = 0;        ///< the newest seen; 0 before the first link
  std::chrono::milliseconds clock_skew{0};  ///< the peer's clock less this one's, when the link came up
  std::uint64_t times_up = 0;
  std::uint64_t buffered_bytes = 0;
  std::uint64_t frames_sent = 0, bytes_sent = 0;          ///< handed to the connection
  std::uint64_t frames_received = 0, bytes_received = 0;  ///< of frames, without what frames them
  std::string last_error;               ///< why it is or last was not up; "" if it never was otherwise
};

class Links {
 public:
  /// Listens, with no peers yet. Errors: bad_config (a file, the listen address, an option; named), io (the address
  /// is taken).
  static Result<std::unique_ptr<Links>> start(LinkOptions options, std::shared_ptr<LinkListener> listener);
  virtual ~Links() = default;  ///< stops

  /// Accepts a frame for `to`: it is sent if the link stays up long enough. Channels from first_bulk_channel on are
  /// bulk: they never keep a frame of another channel waiting for more than one chunk of theirs, and have no
  /// order with those. Errors: unavailable (no link), busy (max_buffered_bytes; try again later), too_large.
  virtual Result<void> send(const NodeName& to, std::uint8_t channel, Bytes frame) = 0;

  /// The nodes to hold links with; this node itself may be among them and is passed over. Whoever was among them and
  /// is not any more loses its link, but may come as a guest. Errors: invalid_argument, invalid_name, too_large; then
  /// nothing changed.
  virtual Result<void> set_peers(std::map<NodeName, LinkPeer> peers) = 0;

  /// Where this node listens, with the port that was really bound.
  virtual const std::string& address() const = 0;
  virtual std::vector<LinkStatus> status() const = 0;
  /// Connections that were refused or broke off before they had shown a certificate of the cluster.
  virtual std::uint64_t strangers() const = 0;

  /// Replaces the peer's fault; {} heals. In effect once it returns. Waits for the links' thread.
  virtual void inject(const NodeName& peer, LinkFault fault) = 0;

  /// Closes everything; link_down for each link that is up. No call of the listener runs after it. May be repeated.
  virtual void stop() = 0;
};

/// Tells the peers why this node does not start; each warns its listener, so that an operator of the cluster finds it
/// where everything else is found. Blocks until all were told, or for limits::link_refusal_patience. `options` as the
/// node's own; it does not listen where they say.
void tell_why_not(LinkOptions options, std::map<NodeName, LinkPeer> peers, const Error& why);

}  // namespace cairn::actors
