// One TCP connection of a link: TLS, hello, then frames and heartbeats. Belongs to the links' thread, but for
// put() and buffered_bytes(), which are for any. A small frame that comes while the connection is idle is sent by the
// thread that puts it, which spares a wake-up; therefore the links' thread holds `busy_` in all that it does here.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>

#include "actors/link.hpp"
#include "actors/link_address.hpp"
#include "actors/link_frames.hpp"
#include "actors/link_outbox.hpp"
#include "actors/link_tls.hpp"

namespace cairn::actors {

using LinkClock = std::chrono::steady_clock;

struct LinkCounters {
  std::atomic<std::uint64_t> frames_sent{0}, bytes_sent{0}, frames_received{0}, bytes_received{0};
};

/// What all connections of the thread share; each uses the buffers for as long as one call lasts.
struct LinkShared {
  const LinkOptions options;
  std::shared_ptr<const TlsContext> tls;
  boost::asio::io_context io{1};
  std::array<char, 128u << 10> received{};
  std::array<char, 64u << 10> plain{};
  Bytes batch{};
  std::mt19937_64 random{std::random_device{}()};
};

class LinkConnection : public std::enable_shared_from_this<LinkConnection>, private FrameReader::Sink {
 public:
  class Owner {
   public:
    /// TLS is done and the peer's certificate is good. An Error refuses it.
    virtual Result<void> authenticated(LinkConnection& connection) = 0;
    /// The peer's hello came. An Error refuses it.
    virtual Result<void> greeted(LinkConnection& connection, const LinkHello& hello) = 0;
    virtual void up(LinkConnection& connection) = 0;
    virtual void received(LinkConnection& connection, std::uint8_t channel, Bytes frame) = 0;
    /// Once, unless close() was called before: it is no link (any more).
    virtual void ended(LinkConnection& connection, const Error& why) = 0;
    /// Last of all: nothing will be called any more.
    virtual void gone(LinkConnection& connection) = 0;
    /// All that could be read for now was told. The connection is not locked, and may be gone.
    virtual void caught_up() = 0;

   protected:
    ~Owner() = default;
  };

  /// `dialled` is the node that is to be there, "" for a connection that comes in.
  LinkConnection(LinkShared& shared, Owner& owner, std::uint64_t number, NodeName dialled);

  // To begin, one of these, once.

  void accept(boost::asio::ip::tcp::socket socket);
  void dial(const HostPort& address);

  /// Ends at once and says nothing to the owner but gone().
  void close();

  /// Accepts a frame once up. Errors as LinkOutbox::put. Any thread.
  Result<void> put(std::uint8_t channel, Bytes frame);
  std::size_t buffered_bytes() const { return outbox_.bytes(); }

  std::uint64_t number() const { return number_; }
  bool dials() const { return !dialled_.empty(); }
  const NodeName& dialled() const { return dialled_; }
  const NodeName& peer() const { return peer_; }          ///< by its certificate; "" before
  std::uint64_t incarnation() const { return incarnation_; }  ///< 0 before the hello

  void set_fault(const LinkFault& fault);
  void set_counters(std::shared_ptr<LinkCounters> counters) { counters_ = std::move(counters); }

 private:
  enum class State { connecting, tls, hello, up, refusing, closed };
  using Lock = std::lock_guard<std::recursive_mutex>;

  void begin_tls();
  void connect(const boost::asio::ip::tcp::resolver::results_type& endpoints);
  void end(const Error& why);
  void refuse(const Error& why);
  void say(ChunkKind kind, BytesView payload);

  void wait_readable();
  void read_socket();
  bool take_in(BytesView received);
  void lost(const Error& why);
  bool on_tls_done();
  bool control(ChunkKind kind, BytesView payload) override;
  bool frame(std::uint8_t channel, Bytes frame) override;
  bool on_hello(BytesView payload);
  void become_up();

  bool send_here();
  void post_pump();
  void pump();
  bool write_socket();
  void fill(Bytes& batch);
  void take_frames();
  void queue(LinkFrame frame);
  void wait_delayed();
  void append_next(std::deque<LinkFrame>& frames, Bytes& batch);

  void arm();
  void tick();

  std::recursive_mutex busy_;       ///< never waited for by who puts, and who puts waits for nothing with it
  LinkShared& shared_;
  Owner& owner_;
  const std::uint64_t number_;
  const NodeName dialled_;
  State state_ = State::connecting;
  bool told_ = false;               ///< the owner knows that it ended
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  TlsSession tls_;
  FrameReader reader_;
  NodeName peer_;
  std::uint64_t incarnation_ = 0;
  std::size_t handshake_bytes_ = 0;
  bool greeted_ = false;

  LinkClock::time_point deadline_;  ///< of the handshake
  LinkClock::time_point heard_;
  LinkClock::time_point next_heartbeat_;
  bool heartbeat_due_ = false;
  bool write_waits_ = false;
  std::atomic<bool> pump_posted_{false};
  bool deaf_ = false;               ///< the peer's end of the connection came across a cut
  std::size_t written_ = 0;         ///< of tls_.outgoing()
  LinkClock::time_point sent_here_; ///< by a thread that put, the last time

  LinkOutbox outbox_;
  std::deque<LinkFrame> small_, bulk_;
  LinkFault fault_;
  std::deque<std::pair<LinkClock::time_point, LinkFrame>> delayed_;
  boost::asio::steady_timer delay_timer_;
  std::shared_ptr<LinkCounters> counters_;
};

}  // namespace cairn::actors
