#include "actors/link_connection.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// Turns of a loop after which other connections get theirs.
constexpr int max_turns = 8;

Error broken(const char* doing, const error_code& code) {
  return {Errc::unavailable, std::string(doing) + ": " + code.message()};
}

std::uint64_t clock_millis() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

}  // namespace

LinkConnection::LinkConnection(LinkShared& shared, Owner& owner, std::uint64_t number, NodeName dialled)
    : shared_(shared),
      owner_(owner),
      number_(number),
      dialled_(std::move(dialled)),
      resolver_(shared.io),
      socket_(shared.io),
      timer_(shared.io),
      tls_(shared.tls, dialled_.empty() ? TlsSession::Side::listens : TlsSession::Side::dials),
      deadline_(LinkClock::now() + shared.options.handshake_timeout),
      outbox_(shared.options.max_buffered_bytes),
      delay_timer_(shared.io) {}

void LinkConnection::accept(tcp::socket socket) {
  const Lock lock(busy_);
  socket_ = std::move(socket);
  arm();
  begin_tls();
}

void LinkConnection::dial(const HostPort& address) {
  const Lock lock(busy_);
  arm();
  const auto& host = address.host;
  const auto port = std::to_string(address.port);
  error_code failed;
  const auto ip = asio::ip::make_address(host, failed);
  if (!failed) {
    return connect(tcp::resolver::results_type::create(tcp::endpoint(ip, address.port), host, port));
  }
  resolver_.async_resolve(host, port, [self = shared_from_this(), host](error_code code, auto endpoints) {
    const Lock lock(self->busy_);
    if (self->state_ != State::connecting) return;
    if (code) return self->end(broken(("finding " + host).c_str(), code));
    self->connect(endpoints);
  });
}

void LinkConnection::connect(const tcp::resolver::results_type& endpoints) {
  asio::async_connect(socket_, endpoints, [self = shared_from_this()](error_code code, const tcp::endpoint&) {
    const Lock lock(self->busy_);
    if (self->state_ != State::connecting) return;
    if (code) return self->end(broken("connecting", code));
    self->begin_tls();
  });
}

void LinkConnection::begin_tls() {
  error_code failed;
  socket_.non_blocking(true, failed);
  socket_.set_option(tcp::no_delay(true), failed);
  // Bulk that the kernel has taken is ahead of every small frame to come: let it take little beyond what is on its way.
  using NotSentLowWater = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
  socket_.set_option(NotSentLowWater(static_cast<int>(2 * limits::link_chunk_bytes)), failed);
  state_ = State::tls;
  if (dials() && !take_in({})) return;
  wait_readable();
}

void LinkConnection::close() {
  const auto self = shared_from_this();  // the owner may let go of it before the lock is released
  const Lock lock(busy_);
  if (state_ == State::closed) return;
  // Tells the peer that this is no accident; it need not arrive.
  if (state_ == State::up || state_ == State::hello) {
    tls_.close();
    error_code ignored;
    const auto rest = BytesView(tls_.outgoing()).substr(written_);
    if (!write_waits_ && !fault_.cut_sending) socket_.write_some(asio::buffer(rest.data(), rest.size()), ignored);
  }
  state_ = State::closed;
  told_ = true;
  outbox_.close();
  small_.clear();
  bulk_.clear();
  delayed_.clear();
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
  timer_.cancel();
  delay_timer_.cancel();
  owner_.gone(*this);
}

void LinkConnection::end(const Error& why) {
  const auto self = shared_from_this();
  if (!std::exchange(told_, true)) owner_.ended(*this, why);
  close();
}

/// Says why, and lingers until the peer has read it: a connection closed with bytes unread would be reset, and the
/// reason lost.
void LinkConnection::refuse(const Error& why) {
  const auto self = shared_from_this();
  say(ChunkKind::refuse, encode_refusal(why));
  tls_.close();
  if (!std::exchange(told_, true)) owner_.ended(*this, why);
  if (state_ == State::closed) return;
  outbox_.close();
  state_ = State::refusing;
  deadline_ = LinkClock::now() + shared_.options.handshake_timeout;
  arm();
  if (!write_socket()) return;
  error_code ignored;
  if (!write_waits_) socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void LinkConnection::say(ChunkKind kind, BytesView payload) {
  Bytes chunk;
  append_chunk(chunk, kind, 0, payload);
  (void)tls_.write(chunk);  // only fails where reading does too
}

void LinkConnection::wait_readable() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code code) {
    {
      const Lock lock(self->busy_);
      if (self->state_ == State::closed || code == asio::error::operation_aborted) return;
      self->read_socket();
      if (self->state_ != State::closed && !self->deaf_) self->wait_readable();
    }
    self->owner_.caught_up();
  });
}

void LinkConnection::read_socket() {
  for (int turn = 0; turn < max_turns && state_ != State::closed; ++turn) {
    error_code code;
    const auto count = socket_.read_some(asio::buffer(shared_.received), code);
    if (code == asio::error::would_block) return;
    if (code == asio::error::eof) return lost({Errc::unavailable, "the peer closed the connection"});
    if (code) return lost(broken("receiving", code));
    if (!fault_.cut_receiving) heard_ = LinkClock::now();
    if (!take_in({shared_.received.data(), count})) return;
    if (count < shared_.received.size()) return;
  }
}

/// False if the connection ended by it.
bool LinkConnection::take_in(BytesView received) {
  if (state_ == State::refusing) return true;
  tls_.give(received);
  if (state_ == State::tls) {
    handshake_bytes_ += received.size();
    if (handshake_bytes_ > limits::max_link_handshake_bytes)
      return lost({Errc::protocol, "too long a TLS handshake"}), false;
    const auto done = tls_.shake_hands();
    if (!write_socket()) return false;
    if (!done) return lost(done.error()), false;
    if (!*done) return true;
    if (!on_tls_done()) return false;
  }
  while (state_ != State::refusing) {
    const auto count = tls_.read(shared_.plain.data(), shared_.plain.size());
    if (!count) return lost(count.error()), false;
    if (*count == 0) break;
    const auto read = reader_.read({shared_.plain.data(), *count}, *this);
    if (state_ == State::closed) return false;
    if (!read && state_ != State::refusing) refuse(read.error());
  }
  if (state_ != State::closed) pump();
  return state_ != State::closed;
}

void LinkConnection::lost(const Error& why) {
  // Across a cut not even the end of a connection is heard; silence will tell.
  if (state_ == State::up && fault_.cut_receiving) {
    deaf_ = true;
    return;
  }
  // What TLS has to say about it, such as why it refuses a certificate.
  if (state_ == State::tls && !write_socket()) return;
  end(why);
}

bool LinkConnection::on_tls_done() {
  const auto name = tls_.peer_name();
  if (!name) return end({Errc::permission_denied, "the peer's certificate bears no node's name"}), false;
  peer_ = *name;
  state_ = State::hello;
  const auto known = owner_.authenticated(*this);
  if (state_ == State::closed) return false;
  if (!known) {
    refuse(known.error());
    return state_ != State::closed;
  }
  if (dials()) {
    const auto& own = shared_.options;
    say(ChunkKind::hello, encode({link_version, own.cluster_id, own.self, own.incarnation, clock_millis()}));
  }
  return true;
}

bool LinkConnection::control(ChunkKind kind, BytesView payload) {
  const auto self = shared_from_this();
  if (state_ == State::up && fault_.cut_receiving) return true;
  switch (kind) {
    case ChunkKind::hello:
      if (state_ == State::hello && !greeted_) return on_hello(payload);
      break;
    case ChunkKind::accept:
      if (state_ == State::hello && greeted_ && !dials()) {
        become_up();
        return state_ == State::up;
      }
      break;
    case ChunkKind::refuse:
      end(decode_refusal(payload));
      return false;
    case ChunkKind::heartbeat:
      if (state_ == State::up) return true;
      break;
    case ChunkKind::more:
    case ChunkKind::last:
      break;
  }
  refuse({Errc::protocol, "the peer said something out of turn"});
  return false;
}

bool LinkConnection::on_hello(BytesView payload) {
  greeted_ = true;
  const auto hello = decode_hello(payload);
  auto good = hello ? Result<void>() : Result<void>(hello.error());
  if (hello && hello->version != link_version)
    good = Error{Errc::protocol, "link versions differ: " + std::to_string(link_version) + " and the peer's " +
                                     std::to_string(hello->version)};
  if (good) {
    incarnation_ = hello->incarnation;
    good = owner_.greeted(*this, *hello);
  }
  if (state_ == State::closed) return false;
  if (!good) {
    refuse(good.error());
    return false;
  }
  if (dials()) {
    say(ChunkKind::accept, {});
    become_up();
    return state_ == State::up;
  }
  const auto& own = shared_.options;
  say(ChunkKind::hello, encode({link_version, own.cluster_id, own.self, own.incarnation, clock_millis()}));
  return true;
}

void LinkConnection::become_up() {
  state_ = State::up;
  heard_ = LinkClock::now();
  next_heartbeat_ = heard_ + shared_.options.heartbeat_interval;
  arm();
  owner_.up(*this);
}

bool LinkConnection::frame(std::uint8_t channel, Bytes frame) {
  const auto self = shared_from_this();
  if (state_ != State::up) {
    refuse({Errc::protocol, "the peer sent a frame before the link was up"});
    return false;
  }
  if (fault_.cut_receiving) return true;
  counters_->frames_received.fetch_add(1, std::memory_order_relaxed);
  counters_->bytes_received.fetch_add(frame.size(), std::memory_order_relaxed);
  owner_.received(*this, channel, std::move(frame));
  return state_ == State::up;
}

Result<void> LinkConnection::put(std::uint8_t channel, Bytes frame) {
  const bool small = !is_bulk(channel) && frame.size() <= limits::link_chunk_bytes;
  const auto wake = outbox_.put(channel, std::move(frame));
  if (!wake) return wake.error();
  if (*wake && !(small && send_here())) post_pump();
  return {};
}

/// False if the links' thread must see to what is left: it is at work here, or frames come so fast that it should send
/// many at once.
bool LinkConnection::send_here() {
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock || state_ != State::up || write_waits_ || !small_.empty() || !bulk_.empty()) return false;
  auto& out = tls_.outgoing();
  const bool faulty = fault_.cut_sending || fault_.loss > 0 || fault_.delay.count() > 0 || !delayed_.empty();
  const auto now = LinkClock::now();
  if (faulty || !out.empty() || now - sent_here_ < limits::link_send_here_pause) return false;
  sent_here_ = now;
  thread_local Bytes batch;
  batch.clear();
  fill(batch);
  if (!tls_.write(batch)) return false;
  const auto sent = ::send(socket_.native_handle(), out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) written_ = static_cast<std::size_t>(sent);
  if (written_ < out.size()) return false;
  out.clear();
  written_ = 0;
  return small_.empty() && bulk_.empty();
}

/// One is on its way at most: it takes all that was put before it began.
void LinkConnection::post_pump() {
  if (pump_posted_.exchange(true)) return;
  asio::post(shared_.io, [self = shared_from_this()] {
    const Lock lock(self->busy_);
    self->pump_posted_ = false;
    if (self->state_ == State::up) self->pump();
  });
}

void LinkConnection::set_fault(const LinkFault& fault) {
  const auto self = shared_from_this();
  const Lock lock(busy_);
  fault_ = fault;
  if (state_ != State::up) return;
  if (deaf_ && !fault.cut_receiving) return end({Errc::unavailable, "the peer closed the connection"});
  pump();
}

/// Writes what TLS has to send, then makes more of what waits, until the socket takes no more.
void LinkConnection::pump() {
  for (int turn = 0; turn < max_turns; ++turn) {
    if (!write_socket() || write_waits_ || state_ != State::up) return;
    auto& batch = shared_.batch;
    batch.clear();
    fill(batch);
    if (batch.empty()) return;
    if (const auto written = tls_.write(batch); !written) return end(written.error());
  }
  post_pump();
}

/// False if the connection ended by it.
bool LinkConnection::write_socket() {
  if (write_waits_) return true;
  auto& out = tls_.outgoing();
  while (written_ < out.size()) {
    error_code code;
    written_ += socket_.write_some(asio::buffer(out.data() + written_, out.size() - written_), code);
    if (code == asio::error::would_block) {
      write_waits_ = true;
      socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code) {
        const Lock lock(self->busy_);
        self->write_waits_ = false;
        if (self->state_ != State::closed) self->pump();
      });
      return true;
    }
    if (code) {
      if (state_ == State::up && fault_.cut_receiving) break;
      end(broken("sending", code));
      return false;
    }
  }
  out.clear();
  written_ = 0;
  return true;
}

void LinkConnection::fill(Bytes& batch) {
  take_frames();
  if (fault_.cut_sending) return;
  if (std::exchange(heartbeat_due_, false)) append_chunk(batch, ChunkKind::heartbeat, 0, {});
  while (!small_.empty() && batch.size() < limits::link_batch_bytes) append_next(small_, batch);
  if (!bulk_.empty()) append_next(bulk_, batch);
}

void LinkConnection::take_frames() {
  for (auto& frame : outbox_.take()) {
    const bool lost = fault_.cut_sending ||
                      (fault_.loss > 0 && std::uniform_real_distribution<>()(shared_.random) < fault_.loss);
    if (lost) outbox_.done(frame);
    else if (fault_.delay.count() > 0 || !delayed_.empty())
      delayed_.emplace_back(LinkClock::now() + fault_.delay, std::move(frame));
    else
      queue(std::move(frame));
  }
  if (delayed_.empty()) return;
  for (const auto now = LinkClock::now(); !delayed_.empty() && delayed_.front().first <= now; delayed_.pop_front())
    queue(std::move(delayed_.front().second));
  if (!delayed_.empty()) wait_delayed();
}

void LinkConnection::queue(LinkFrame frame) {
  (is_bulk(frame.channel) ? bulk_ : small_).push_back(std::move(frame));
}

void LinkConnection::wait_delayed() {
  delay_timer_.expires_at(delayed_.front().first);
  delay_timer_.async_wait([self = shared_from_this()](error_code code) {
    const Lock lock(self->busy_);
    if (!code && self->state_ == State::up) self->pump();
  });
}

void LinkConnection::append_next(std::deque<LinkFrame>& frames, Bytes& batch) {
  auto& frame = frames.front();
  const auto rest = BytesView(frame.bytes).substr(frame.sent);
  const auto count = std::min(rest.size(), limits::link_chunk_bytes);
  const bool last = count == rest.size();
  append_chunk(batch, last ? ChunkKind::last : ChunkKind::more, frame.channel, rest.substr(0, count));
  frame.sent += count;
  if (!last) return;
  counters_->frames_sent.fetch_add(1, std::memory_order_relaxed);
  counters_->bytes_sent.fetch_add(frame.bytes.size(), std::memory_order_relaxed);
  outbox_.done(frame);
  frames.pop_front();
}

void LinkConnection::arm() {
  timer_.expires_at(state_ == State::up ? std::min(next_heartbeat_, heard_ + shared_.options.silence_timeout)
                                        : deadline_);
  timer_.async_wait([self = shared_from_this()](error_code code) {
    {
      const Lock lock(self->busy_);
      if (code || self->state_ == State::closed) return;
      self->tick();
    }
    self->owner_.caught_up();
  });
}

void LinkConnection::tick() {
  const auto& options = shared_.options;
  const auto now = LinkClock::now();
  if (state_ != State::up) {
    if (now >= deadline_) return end({Errc::timed_out, "the peer did not finish the handshake in time"});
    return arm();
  }
  if (now - heard_ >= options.silence_timeout) {
    // This thread may be what was late: then the peer's bytes are here and only unread.
    error_code failed;
    if (!fault_.cut_receiving && socket_.available(failed) > 0 && !failed) read_socket();
    if (state_ != State::up) return;
    if (LinkClock::now() - heard_ >= options.silence_timeout)
      return end({Errc::timed_out, "nothing heard for " + std::to_string(options.silence_timeout.count()) + " ms"});
  }
  if (now >= next_heartbeat_) {
    heartbeat_due_ = true;
    next_heartbeat_ = now + options.heartbeat_interval;
    pump();
    if (state_ != State::up) return;
  }
  arm();
}

}  // namespace cairn::actors
