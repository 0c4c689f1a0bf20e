// Memory of an idle signed-in session: a server process before and after 10,000 connections, each of which
// resumes a session by its token, takes its drive, asks one thing and then is still.
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <vector>

#include "protocol/files.capnp.h"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/process.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/rpc_load.hpp"
#include "tests/bench/support/run.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned opened_at_a_time = 64;

// One device: a connection, its session, its drive.
struct Device {
  explicit Device(kj::Own<kj::AsyncIoStream> connected) : stream(kj::mv(connected)), rpc(*stream) {}

  kj::Promise<void> begin(const std::string& token) {
    auto request = rpc.bootstrap().castAs<rpc::Cairn>().resumeRequest();
    request.setToken({token.c_str(), token.size()});
    return request.send().then([this](auto&& answer) {
      session = answer.getSession();
      return KJ_ASSERT_NONNULL(session).driveRequest().send().then([this](auto&& taken) {
        drive = taken.getDrive();
        return KJ_ASSERT_NONNULL(drive).usageRequest().send().ignoreResult();
      });
    });
  }

  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyClient rpc;
  kj::Maybe<rpc::Session::Client> session;
  kj::Maybe<rpc::Drive::Client> drive;
};

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : sessions_(static_cast<unsigned>(setting.number("--sessions", 10'000))),
        server_(setting.cairnd, setting.folder + "/node") {}

  void operator()() {
    const auto token = sign_in();
    auto io = kj::setupAsyncIo();
    const auto colon = server_.address().rfind(':');
    const auto host = server_.address().substr(0, colon);
    const auto port = static_cast<unsigned>(std::stoul(server_.address().substr(colon + 1)));
    auto address = io.provider->getNetwork().parseAddress(host.c_str(), port).wait(io.waitScope);

    std::vector<kj::Own<Device>> devices;
    open(*address, token, opened_at_a_time, devices, io.waitScope);  // what the first ones cost is the server's
    const auto before = settled_resident_bytes(server_.pid());
    const auto started = seconds_now();
    open(*address, token, sessions_, devices, io.waitScope);
    const auto seconds = seconds_now() - started;
    const auto after = settled_resident_bytes(server_.pid());
    report_.add("session_bytes", (after - before) / sessions_, "B",
                {{"sessions", sessions_}, {"state", "resumed, drive taken, one call answered, idle"},
                 {"server_before_mb", rounded(before / 1e6)}, {"server_after_mb", rounded(after / 1e6)}});
    report_.add("session_open_per_s", sessions_ / seconds, "1/s", {{"at_a_time", opened_at_a_time}});
  }

 private:
  // One computation of Argon2, on a connection that ends here.
  std::string sign_in() {
    client::ConnectionOptions options;
    options.address = server_.address();
    const auto connection = need(client::Connection::open(options), "connect");
    need(connection->sign_up("bench", "correct horse"), "sign up");
    return need(connection->sign_in("bench", "correct horse", "bench", ClientId{1}), "sign in");
  }

  void open(kj::NetworkAddress& address, const std::string& token, unsigned count,
            std::vector<kj::Own<Device>>& devices, kj::WaitScope& scope) {
    for (unsigned done = 0; done < count;) {
      const auto wave = std::min(opened_at_a_time, count - done);
      auto opened = kj::heapArrayBuilder<kj::Promise<void>>(wave);
      for (unsigned i = 0; i < wave; ++i)
        opened.add(address.connect().then([&](kj::Own<kj::AsyncIoStream> stream) {
          devices.push_back(kj::heap<Device>(kj::mv(stream)));
          return devices.back()->begin(token);
        }));
      kj::joinPromises(opened.finish()).wait(scope);
      done += wave;
    }
  }

  unsigned sessions_;
  Report report_{"sessions"};
  Server server_;
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 300, {"--sessions"},
                           [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
