// 500 KB objects that do not compress, 16 in flight, through the RPC port of a server process: each is
// hashed here, sent as a block, and committed as a file. In rounds of the same run, the machine's own
// limit: a plain program that writes the same bytes into one file and syncs it.
#include <algorithm>
#include <cstring>

#include "protocol/digest.hpp"
#include "tests/bench/support/plain_disk.hpp"
#include "tests/bench/support/process.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/rpc_load.hpp"
#include "tests/bench/support/run.hpp"

namespace cairn::bench {
namespace {

constexpr std::size_t object_bytes = 500'000;
constexpr unsigned in_flight = 16;
constexpr std::size_t distinct_objects = 64;

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting),
        rounds_(static_cast<unsigned>(setting.number("--rounds", 7))),
        objects_(static_cast<std::size_t>(setting.number("--objects", 800))),
        server_(setting.cairnd, setting.folder + "/node"),
        session_(sign_up(server_.address(), ClientId{1})) {}

  void operator()() {
    upload();  // the first round warms up
    uploads_ = {};
    for (unsigned round = 0; round < rounds_; ++round) {
      const auto busy = machine_busy_seconds();
      const auto started = seconds_now();
      upload();
      uploads_.busy_share.push_back((machine_busy_seconds() - busy) / (seconds_now() - started) / cores());
      limit_grouped_.push_back(plainly(in_flight));
      limit_single_.push_back(plainly(1));
    }
    tell();
  }

 private:
  struct Uploads {
    std::vector<double> per_s, p50_ms, p99_ms, server_ms, client_ms, busy_share;
  };

  double plainly(std::size_t objects_per_sync) const {
    const auto seconds = write_plainly(setting_.folder, pool_, object_bytes, objects_, objects_per_sync);
    return static_cast<double>(objects_) / seconds;
  }

  void upload() {
    const auto server_cpu = cpu_seconds(server_.pid());
    const auto client_cpu = own_cpu_seconds();
    const auto load = run_calls(session_, in_flight, objects_, 120,
                                [&](RpcSession& session, const RpcDone& done) { send(session, done); });
    const auto objects = static_cast<double>(load.answered);
    uploads_.per_s.push_back(load.per_second());
    uploads_.p50_ms.push_back(percentile(load.micros, 0.5) / 1e3);
    uploads_.p99_ms.push_back(percentile(load.micros, 0.99) / 1e3);
    uploads_.server_ms.push_back((cpu_seconds(server_.pid()) - server_cpu) / objects * 1e3);
    uploads_.client_ms.push_back((own_cpu_seconds() - client_cpu) / objects * 1e3);
  }

  // A new object each time: a piece of noise with its number inside.
  void send(RpcSession& session, const RpcDone& done) {
    const auto number = ++sent_;
    auto bytes = std::make_shared<Bytes>(pool_, number % distinct_objects * object_bytes, object_bytes);
    std::memcpy(bytes->data(), &number, sizeof number);
    const BlockRef block{sha256(*bytes), object_bytes};
    session.drive->put_block(block.id, std::move(bytes), [&session, number, block, done](Result<Receipt> receipt) {
      if (!receipt.ok()) return done(receipt.error());
      PutFile put{{}, "object-" + std::to_string(number), EntryKind::file, {}, {}, {0644, 1}};
      put.content = {block.bytes, {}, {block}};
      session.drive->commit({std::move(put)}, {std::move(*receipt)}, [done](Result<CommitResult> result) {
        if (!result.ok()) return done(result.error());
        done(result->results[0].error);
      });
    });
  }

  void tell() {
    const auto rate = median(uploads_.per_s);
    const auto grouped = median(limit_grouped_), single = median(limit_single_);
    const auto limit = std::max(grouped, single);
    const Conditions base{{"object_bytes", object_bytes}, {"in_flight", in_flight}, {"objects_a_round", objects_},
                          {"rounds", rounds_}, {"layer", "rpc: 1 connection to a server process"}};
    auto with_rounds = base;
    with_rounds["per_round"] = rounded(uploads_.per_s);
    report_.add("upload_objects_per_s", rate, "1/s", with_rounds);
    report_.add("upload_mb_per_s", rate * object_bytes / 1e6, "MB/s", base);
    report_.add("upload_p50_ms", median(uploads_.p50_ms), "ms", base);
    report_.add("upload_p99_ms", median(uploads_.p99_ms), "ms", base);
    report_.add("limit_objects_per_s", grouped, "1/s",
                {{"objects_a_sync", in_flight}, {"per_round", rounded(limit_grouped_)}});
    report_.add("limit_objects_per_s", single, "1/s", {{"objects_a_sync", 1}, {"per_round", rounded(limit_single_)}});
    report_.add("upload_ratio_to_limit", rate / limit, "ratio",
                {{"limit", "sequential write and fdatasync by a plain program, the better of the two"},
                 {"objects_a_sync", grouped >= single ? in_flight : 1}});
    const auto server = median(uploads_.server_ms), client = median(uploads_.client_ms);
    report_.add("upload_server_cpu_ms_per_object", server, "ms", base);
    report_.add("upload_client_cpu_ms_per_object", client, "ms", base);
    // What the processors would allow if nothing else did: all cores, nothing but these two processes.
    report_.add("upload_cpu_limit_objects_per_s", cores() * 1e3 / (server + client), "1/s",
                {{"cores", cores()}, {"cores_busy_share", rounded(median(uploads_.busy_share))}});
  }

  const Setting& setting_;
  unsigned rounds_;
  std::size_t objects_;
  Report report_{"upload"};
  Bytes pool_ = noise(distinct_objects * object_bytes, 3);
  Server server_;
  RpcSession session_;
  std::uint64_t sent_ = 0;
  Uploads uploads_;
  std::vector<double> limit_grouped_, limit_single_;
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 600, {"--objects", "--rounds"},
                           [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
