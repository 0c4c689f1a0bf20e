// One shard at 10^5, 10^6 and 10^7 files: latency of a lookup and of a durable commit, and what a file
// takes in the table on disk beyond its name. Beside it what reading pages of a mapped file of that size costs.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "actors/log.hpp"
#include "actors/node.hpp"
#include "actors/replica.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/run.hpp"
#include "tests/bench/support/shard_load.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned drive_count = 100;
constexpr std::uint64_t least_files = 100'000;
constexpr std::size_t lookups_a_round = 50'000;
constexpr std::size_t commits_a_round = 2'000;
// A table's page holds tens of rows, and the system maps pages in runs of 16.
constexpr std::uint64_t files_a_warming_lookup = 10;
// From the root of a table of 10^7 files to a row.
constexpr unsigned pages_a_lookup = 4;

class Benchmark {
 public:
  Benchmark(const Setting& setting, Report& report, Drives::Content content)
      : report_(report), content_(content), rounds_(static_cast<unsigned>(setting.number("--rounds", 5))) {
    config_.node.data = setting.folder + (content == Drives::Content::one_block ? "/one-block" : "/empty");
    config_.rpc.listen = "127.0.0.1:0";
    config_.log.level = cluster::LogLevel::warning;
    actors::start_log(config_.log, config_.node.name);
    start();
    drives_.make(*node_);
  }

  /// Grows the shard to `files`, then says what a file takes.
  void grow(std::uint64_t files) {
    const auto before = drives_.files();
    const auto filled = drives_.fill(*node_, files);
    node_->stop();
    node_.reset();
    const auto stored = stored_bytes();
    auto told = conditions();
    told["stored_mb"] = rounded(stored / 1e6);
    told["fill_files_per_s"] = rounded(static_cast<double>(drives_.files() - before) / filled.seconds);
    const auto count = static_cast<double>(drives_.files());
    report_.add("row_bytes_per_file", stored / count - drives_.mean_name_bytes(), "B", told);
    start();
  }

  /// One client alone, in rounds; p99 of the lookups in microseconds.
  double measure() {
    std::vector<double> lookup_p50, lookup_p99, commit_p50, commit_p99;
    warm_up();
    for (unsigned round = 0; round < rounds_; ++round) {
      const auto lookups = look_up();
      lookup_p50.push_back(percentile(lookups, 0.5));
      lookup_p99.push_back(percentile(lookups, 0.99));
      const auto commits = commit();
      commit_p50.push_back(percentile(commits, 0.5) / 1e3);
      commit_p99.push_back(percentile(commits, 0.99) / 1e3);
    }
    auto told = conditions();
    told["clients"] = 1;
    told["layer"] = "actors: one Propose or Ask a message to the replica";
    told["rounds"] = rounds_;
    told["state"] = "warm: every part of the table was read since the start";
    report_.add("lookup_p50_us", median(lookup_p50), "us", told);
    report_.add("lookup_p99_us", median(lookup_p99), "us", told);
    report_.add("commit_p50_ms", median(commit_p50), "ms", told);
    report_.add("commit_p99_ms", median(commit_p99), "ms", told);
    auto limit = conditions();
    limit["pages_a_read"] = pages_a_lookup;
    const auto mapped = mapped_pages();
    report_.add("mapped_pages_p50_us", percentile(mapped, 0.5), "us", limit);
    report_.add("mapped_pages_p99_us", percentile(mapped, 0.99), "us", limit);
    return median(lookup_p99);
  }

 private:
  void start() { node_ = need(actors::Node::start(config_), "node"); }

  // Bytes of pages in use once all rows are checkpointed. The node is stopped.
  double stored_bytes() {
    const auto [folder, replica] = shard_folder();
    actors::ReplicaOptions options;
    options.self = replica;
    options.directory = folder;
    options.founders = {{options.self}, {}};
    options.metadata = config_.metadata;
    auto shard = need(actors::open_replica(options), "shard");
    if (const auto checkpoint = shard.table->begin_checkpoint()) {
      need(checkpoint->write(), "checkpoint");
      need(shard.table->finish_checkpoint(), "checkpoint");
    }
    if (shard.table->checkpointed() == 0) throw std::runtime_error(folder + " holds no rows");
    return static_cast<double>(need(shard.table->store_bytes(), "size"));
  }

  // Of the one shard that holds files: its replica's folder, named SHARD-REPLICA, beside the directory's.
  std::pair<std::string, cluster::ReplicaId> shard_folder() const {
    const auto directory = std::to_string(cluster::directory::directory_shard.value);
    for (const auto& found : std::filesystem::directory_iterator(config_.node.data + "/shards")) {
      const auto name = found.path().filename().string();
      const auto dash = name.find('-');
      if (dash == std::string::npos || name.substr(0, dash) == directory) continue;
      return {found.path().string(), cluster::ReplicaId{std::stoull(name.substr(dash + 1))}};
    }
    throw std::runtime_error("no shard in " + config_.node.data);
  }

  Conditions conditions() const {
    return {{"files", drives_.files()}, {"drives", drive_count},
            {"content", content_ == Drives::Content::one_block ? "one_block" : "inline-empty"},
            {"name_bytes", drives_.mean_name_bytes()}};
  }

  // After a start each page's first read costs a fault of its own, which a node that has run for a while has
  // behind it.
  void warm_up() {
    std::uint64_t file = 0;
    ask_from(*node_, 1, [&](unsigned) -> std::optional<cluster::Query> {
      if (file >= drives_.files()) return std::nullopt;
      const auto per_drive = drives_.files() / drive_count;
      const auto place = drives_.pick_in(static_cast<unsigned>(file / per_drive), file % per_drive);
      file += files_a_warming_lookup;
      return cluster::Stat{place.account, {place.id, ""}};
    });
  }

  // The machine's own limit for a lookup: a plain program reads a byte of as many pages of the table's file, mapped and
  // warm, as a lookup walks. Microseconds.
  std::vector<double> mapped_pages() {
    constexpr std::size_t page = 4096;
    std::string path;
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(shard_folder().first + "/rows"))
      if (file.is_regular_file() && file.file_size() > bytes) {
        bytes = file.file_size();
        path = file.path().string();
      }
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    auto* const mapped = fd < 0 ? MAP_FAILED : ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) ::close(fd);
    if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    const volatile auto* const first = static_cast<const char*>(mapped);
    const auto pages = bytes / page;
    for (std::uintmax_t at = 0; at < pages; ++at) (void)first[at * page];
    test::Random random(++seed_);
    std::vector<double> micros;
    for (std::size_t i = 0; i < lookups_a_round; ++i) {
      const auto begun = seconds_now();
      for (unsigned read = 0; read < pages_a_lookup; ++read) (void)first[random.below(pages) * page];
      micros.push_back((seconds_now() - begun) * 1e6);
    }
    ::munmap(mapped, bytes);
    return micros;
  }

  std::vector<double> look_up() {
    test::Random random(++seed_);
    std::size_t left = lookups_a_round;
    return ask_from(*node_, 1, [&](unsigned) -> std::optional<cluster::Query> {
             if (left-- == 0) return std::nullopt;
             const auto file = drives_.pick(random.next());
             return cluster::Stat{file.account, {file.id, ""}};
           }).micros;
  }

  std::vector<double> commit() {
    test::Random random(++seed_);
    std::size_t left = commits_a_round;
    return propose_from(*node_, 1, [&](unsigned) -> std::optional<cluster::Command> {
             if (left-- == 0) return std::nullopt;
             const auto drive = static_cast<unsigned>(random.below(drive_count));
             return drives_.touch(drive, {ClientId{2}, ++sequences_[drive]}, random.next());
           }).micros;
  }

  Report& report_;
  Drives::Content content_;
  unsigned rounds_;
  cluster::Config config_;
  std::unique_ptr<actors::Node> node_;
  Drives drives_{drive_count, content_};
  std::vector<std::uint64_t> sequences_ = std::vector<std::uint64_t>(drive_count, 0);
  std::uint64_t seed_ = 0;
};

void all(const Setting& setting) {
  const auto most = static_cast<std::uint64_t>(setting.number("--max", 1e7));
  Report report("rows");
  {
    Benchmark empty(setting, report, Drives::Content::empty);
    empty.grow(std::min<std::uint64_t>(most, 1'000'000));
  }
  Benchmark blocks(setting, report, Drives::Content::one_block);
  double first = 0, last = 0;
  for (auto files = least_files; files <= std::max(most, least_files); files *= 10) {
    blocks.grow(files);
    last = blocks.measure();
    if (first == 0) first = last;
  }
  report.add("lookup_p99_growth", last / first, "ratio", {{"from_files", least_files}, {"to_files", most}});
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 1'800, {"--max", "--rounds"}, cairn::bench::all);
}
