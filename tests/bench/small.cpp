// Durable small files: 4 KiB each, kept in their rows, by batch commits through the RPC port of a server
// process, in batches of several sizes, in rounds of one run.
#include <algorithm>

#include "tests/bench/support/plain_disk.hpp"
#include "tests/bench/support/process.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/rpc_load.hpp"
#include "tests/bench/support/run.hpp"

namespace cairn::bench {
namespace {

constexpr std::size_t file_bytes = 4'096;
constexpr std::uint64_t most_files_a_measure = 120'000;

struct Shape {
  unsigned batch;
  unsigned in_flight;
  std::vector<double> files_per_s, p50_ms, p99_ms, server_us;
};

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : rounds_(static_cast<unsigned>(setting.number("--rounds", 3))),
        seconds_(setting.number("--seconds", 5)),
        server_(setting.cairnd, setting.folder + "/node"),
        session_(sign_up(server_.address(), ClientId{1})) {}

  void operator()() {
    for (unsigned round = 0; round < rounds_; ++round)
      for (auto& shape : shapes_) measure(shape);
    for (const auto& shape : shapes_) {
      report_.add("small_files_per_s", median(shape.files_per_s), "1/s",
                  {{"batch", shape.batch}, {"batches_in_flight", shape.in_flight}, {"file_bytes", file_bytes},
                   {"layer", "rpc: 1 connection to a server process"}, {"batch_p50_ms", rounded(median(shape.p50_ms))},
                   {"batch_p99_ms", rounded(median(shape.p99_ms))},
                   {"server_cpu_us_a_file", rounded(median(shape.server_us))}, {"cores", cores()},
                   {"per_round", rounded(shape.files_per_s)}});
    }
  }

 private:
  void measure(Shape& shape) {
    const auto folder = "files-" + std::to_string(++folders_);
    const auto made = need(session_.drive->commit({MakeFolder{{}, folder, {0755, 0}}}), "make folder");
    if (made.results[0].error) give_up(made.results[0].error->message);
    const auto parent = made.results[0].entry;
    std::uint64_t files = 0;
    const auto cpu = cpu_seconds(server_.pid());
    const auto load = run_calls(session_, shape.in_flight, most_files_a_measure / shape.batch, seconds_,
                                [&](RpcSession& session, const RpcDone& done) {
      std::vector<Change> changes;
      for (unsigned i = 0; i < shape.batch; ++i) changes.push_back(file(parent, ++files));
      session.drive->commit(std::move(changes), {}, [done](Result<CommitResult> result) {
        if (!result.ok()) return done(result.error());
        for (const auto& change : result->results)
          if (change.error) return done(change.error);
        done(std::nullopt);
      });
    });
    const auto stored = static_cast<double>(load.answered) * shape.batch;
    shape.files_per_s.push_back(stored / load.seconds);
    shape.p50_ms.push_back(percentile(load.micros, 0.5) / 1e3);
    shape.p99_ms.push_back(percentile(load.micros, 0.99) / 1e3);
    shape.server_us.push_back((cpu_seconds(server_.pid()) - cpu) / stored * 1e6);
  }

  PutFile file(EntryId parent, std::uint64_t number) {
    PutFile put{{parent, ""}, "note-" + std::to_string(number) + ".txt", EntryKind::file, {}, {}, {0644, 1}};
    const auto at = number * 61 % (pool_.size() - file_bytes);
    put.content = {file_bytes, Bytes(BytesView(pool_).substr(at, file_bytes)), {}};
    return put;
  }

  unsigned rounds_;
  double seconds_;
  Report report_{"small"};
  Bytes pool_ = noise(1u << 20, 2);
  Server server_;
  RpcSession session_;
  std::uint64_t folders_ = 0;
  std::vector<Shape> shapes_ = {{1'000, 4, {}, {}, {}, {}}, {100, 16, {}, {}, {}, {}}, {10, 64, {}, {}, {}, {}}};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 300, {"--rounds", "--seconds"},
                           [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
