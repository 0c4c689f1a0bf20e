// Links: round trips of small frames between two nodes one at a time, with a window of them on their way, and
// frames of 500 KB, in rounds of one run; beside them the same over bare TCP without TLS. Both ends are in one
// process, each with its own thread.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "actors/link.hpp"
#include "protocol/certificates.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/process.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/run.hpp"

namespace cairn::bench {
namespace {

constexpr std::size_t small_bytes = 100;
constexpr std::size_t large_bytes = 500'000;
constexpr std::uint8_t small_channel = 1;
constexpr std::uint8_t large_channel = actors::first_bulk_channel;

/// Counts what comes; answers or goes on as it is told, on the links' thread.
class Counter final : public actors::LinkListener {
 public:
  using OnFrame = std::function<void(Bytes)>;

  void link_up(const actors::NodeName&, std::uint64_t) override { change([&] { up_ = true; }); }
  void link_down(const actors::NodeName&, const Error& why) override {
    if (!ending) give_up("the link broke: " + why.message);
  }
  void received(const actors::NodeName&, std::uint8_t, Bytes frame) override { on_frame(std::move(frame)); }
  void warned(const actors::NodeName&, const std::string& sentence) override { give_up(sentence); }

  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  void wait_up() { wait([&] { return up_; }); }
  void wait_finished() {
    wait([&] { return finished_; });
    finished_ = false;
  }
  void finish() { change([&] { finished_ = true; }); }

  OnFrame on_frame;
  std::atomic<bool> ending{false};

 private:
  void wait(const std::function<bool()>& what) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(60), what)) give_up("nothing came for a minute");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool up_ = false;
  bool finished_ = false;
};

struct Node {
  Node(const std::string& folder, const std::string& name, const std::string& cluster_id) : counter(new Counter) {
    const auto files = need(issue_node_certificate(name, folder, folder), "issue");
    actors::LinkOptions options;
    options.self = name;
    options.cluster_id = cluster_id;
    options.incarnation = 1;
    options.certificate = files.certificate;
    options.key = files.key;
    options.authority = folder + "/ca.pem";
    links = need(actors::Links::start(options, counter), "start");
  }
  std::shared_ptr<Counter> counter;
  std::unique_ptr<actors::Links> links;
};

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : rounds_(static_cast<unsigned>(setting.number("--rounds", 3))),
        seconds_(setting.number("--seconds", 3)),
        cluster_id_(need(make_cluster_authority(setting.folder), "authority").cluster_id),
        a_(setting.folder, "a", cluster_id_),
        b_(setting.folder, "b", cluster_id_) {
    need(b_.links->set_peers({{"a", {a_.links->address(), false}}}), "peers");
    need(a_.links->set_peers({{"b", {b_.links->address()}}}), "peers");
    a_.counter->wait_up();
    b_.counter->wait_up();
  }

  void operator()() {
    for (unsigned round = 0; round < rounds_; ++round) {
      round_trips();
      pipelined();
      large();
      bare_round_trips();
    }
    a_.counter->ending = b_.counter->ending = true;
    const Conditions both = {{"nodes", "2 in one process"}, {"tls", "1.3"}, {"cores", cores()}};
    report_.add("link_round_trip_p50_us", median(p50_), "us", with(both, small_bytes, 1, p50_));
    report_.add("link_round_trip_p99_us", median(p99_), "us", with(both, small_bytes, 1, p99_));
    report_.add("link_round_trips_per_s", median(pipelined_), "1/s", with(both, small_bytes, window, pipelined_));
    report_.add("link_mb_per_s", median(large_), "MB/s", with(both, large_bytes, large_window, large_));
    const Conditions bare = {{"tls", "none"}, {"cores", cores()}};
    report_.add("bare_tcp_round_trip_p50_us", median(bare_), "us", with(bare, small_bytes, 1, bare_));
  }

 private:
  static constexpr unsigned window = 256;
  static constexpr unsigned large_window = 8;

  static Conditions with(Conditions conditions, std::size_t bytes, unsigned in_flight,
                         const std::vector<double>& each) {
    conditions["frame_bytes"] = bytes;
    conditions["in_flight"] = in_flight;
    conditions["per_round"] = rounded(each);
    return conditions;
  }

  void echo(std::uint8_t channel, bool whole) {
    b_.counter->on_frame = [this, channel, whole](Bytes frame) {
      need(b_.links->send("a", channel, whole ? std::move(frame) : Bytes(8, 'x')), "answer");
    };
  }

  /// Keeps `in_flight` frames on their way for the time of a measure; answers how many came back, and in which time.
  LoadResult load(std::uint8_t channel, std::size_t bytes, unsigned in_flight) {
    LoadResult result;
    std::uint64_t left = in_flight;
    const auto begin = seconds_now();
    auto sent = begin;
    a_.counter->on_frame = [&](Bytes) {
      const auto now = seconds_now();
      ++result.answered;
      if (in_flight == 1) result.micros.push_back((now - sent) * 1e6);
      if (now - begin < seconds_) {
        sent = seconds_now();
        need(a_.links->send("b", channel, Bytes(bytes, 'x')), "send");
      } else if (--left == 0) {
        result.seconds = now - begin;
        a_.counter->finish();
      }
    };
    for (unsigned i = 0; i < in_flight; ++i) need(a_.links->send("b", channel, Bytes(bytes, 'x')), "send");
    a_.counter->wait_finished();
    return result;
  }

  void round_trips() {
    echo(small_channel, true);
    const auto result = load(small_channel, small_bytes, 1);
    p50_.push_back(percentile(result.micros, 0.5));
    p99_.push_back(percentile(result.micros, 0.99));
  }
  void pipelined() {
    echo(small_channel, true);
    pipelined_.push_back(load(small_channel, small_bytes, window).per_second());
  }
  void large() {
    echo(small_channel, false);
    large_.push_back(load(large_channel, large_bytes, large_window).per_second() * large_bytes / 1e6);
  }

  /// Two threads that block in recv(): what the kernel alone takes.
  void bare_round_trips() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener, raw, size) != 0 || ::listen(listener, 1) != 0 || ::getsockname(listener, raw, &size) != 0 ||
        ::connect(client, raw, size) != 0)
      give_up(std::string("bare TCP: ") + std::strerror(errno));
    const int server = ::accept(listener, nullptr, nullptr);
    for (const int one : {client, server}) {
      const int on = 1;
      ::setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    std::thread echo([server] {
      char bytes[small_bytes];
      while (::recv(server, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes)
        if (::send(server, bytes, sizeof bytes, MSG_NOSIGNAL) < 0) return;
    });
    std::vector<double> micros;
    char bytes[small_bytes] = {};
    for (const auto begin = seconds_now(); seconds_now() - begin < seconds_;) {
      const auto sent = seconds_now();
      if (::send(client, bytes, sizeof bytes, MSG_NOSIGNAL) < 0 ||
          ::recv(client, bytes, sizeof bytes, MSG_WAITALL) != sizeof bytes)
        give_up("bare TCP broke");
      micros.push_back((seconds_now() - sent) * 1e6);
    }
    ::shutdown(client, SHUT_RDWR);
    echo.join();
    for (const int one : {client, server, listener}) ::close(one);
    bare_.push_back(percentile(micros, 0.5));
  }

  unsigned rounds_;
  double seconds_;
  std::string cluster_id_;
  Node a_, b_;
  std::vector<double> p50_, p99_, pipelined_, large_, bare_;
  Report report_{"links"};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 120, {"--rounds", "--seconds"},
                           [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
