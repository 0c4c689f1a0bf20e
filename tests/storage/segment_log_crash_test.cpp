// The log on a disk that loses, tears and reorders what was not synced: a random workload beside a
// model, with crashes at every moment that a crash can tell apart.
#include <gtest/gtest.h>

#include "storage/segment_format.hpp"
#include "storage/segment_log.hpp"
#include "tests/support/sim_disk.hpp"

namespace cairn::storage {
namespace {

using test::Random;
using test::SimDisk;

/// The one body that belongs to a serial number, so that content need not be remembered.
Bytes body_of(std::uint64_t serial, std::size_t size) {
  Random random(serial);
  auto body = std::to_string(serial) + ":";
  if (size > body.size()) body += random.bytes(size - body.size());
  return body;
}

struct Kept {
  std::uint64_t serial = 0;
  std::size_t size = 0;
  RecordLocation location;
  Bytes body() const { return body_of(serial, size); }
};

/// What a log may show after a crash: records [a, b) of `records` with a and b within these bounds.
struct Model {
  std::vector<Kept> records;
  std::size_t first_min = 0, first_max = 0;
  std::size_t end_min = 0;
};

struct Tally {
  std::size_t images = 0;
  std::size_t cut_short = 0;  // images in which something not yet durable was missing
};

struct Shape {
  SegmentLogOptions options;
  std::size_t min_body = 0, max_body = 0;
  std::size_t steps = 0;
  std::size_t images_per_moment = 1;
};

class CrashRun {
 public:
  CrashRun(std::uint64_t seed, Shape shape, Tally& tally)
      : random_(seed), shape_(std::move(shape)), tally_(tally), disk_(std::make_shared<SimDisk>()) {
    // Bodies of one size make stale records lie exactly where new ones go.
    if (random_.one_in(2)) shape_.max_body = shape_.min_body;
    shape_.options.spare_segments = random_.below(3);
    if (random_.one_in(3)) shape_.options.preallocation = Preallocation::reserved;
  }

  void run() {
    open();
    disk_->observe([this] { crash_now(); });
    for (std::size_t step = 0; step < shape_.steps && !testing::Test::HasFailure(); ++step) {
      switch (random_.below(12)) {
        case 0:
        case 1:
        case 2:
          sync();
          break;
        case 3:
          truncate_back();
          break;
        case 4:
          truncate_front();
          break;
        case 5:
          restart();
          break;
        default:
          append();
          break;
      }
    }
  }

 private:
  void open() {
    auto log = SegmentLog::open(disk_, shape_.options, nullptr);
    ASSERT_TRUE(log.ok()) << log.error().message;
    log_ = std::move(log).value();
  }

  Kept next_record() {
    return {next_serial_++, random_.between(shape_.min_body, shape_.max_body), {}};
  }

  void append() {
    model_.records.push_back(next_record());
    auto& record = model_.records.back();
    const auto body = record.body();
    const auto split = random_.below(body.size() + 1);
    const auto view = BytesView(body);
    const auto location =
        log_->append(record.serial % 200, {view.substr(0, split), view.substr(split)});
    ASSERT_TRUE(location.ok()) << location.error().message;
    record.location = *location;
    const auto read = log_->read(*location);
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_EQ(read->body, body);
  }

  void sync() {
    ASSERT_TRUE(log_->sync().ok());
    model_.end_min = model_.records.size();
  }

  void truncate_back() {
    if (model_.first_max == model_.records.size()) return;
    const auto size = model_.records.size();
    const auto from = random_.between(
        std::max(model_.first_max, size - std::min<std::size_t>(size, 40)), size - 1);
    model_.end_min = std::min(model_.end_min, from);
    ASSERT_TRUE(log_->truncate_back(model_.records[from].location).ok());
    model_.records.resize(from);
    // What lay before may not have been durable; the call promises only that the rest is gone.
    model_.end_min = std::min(model_.end_min, from);
  }

  void truncate_front() {
    const auto size = model_.records.size();
    if (model_.first_max == size) return;
    const auto to = random_.between(model_.first_max, size - 1);
    const auto segment = model_.records[to].location.segment;
    while (model_.records[model_.first_max].location.segment < segment) ++model_.first_max;
    ASSERT_TRUE(log_->truncate_front(model_.records[to].location).ok());
    model_.first_min = model_.first_max;
  }

  /// The process ends without a crash of the machine.
  void restart() {
    log_.reset();
    std::size_t at = model_.first_min;
    auto log = SegmentLog::open(disk_, shape_.options, [&](const Record& record) -> Result<void> {
      EXPECT_LT(at, model_.records.size());
      EXPECT_EQ(record.body, model_.records[at].body());
      EXPECT_EQ(record.location, model_.records[at].location);
      ++at;
      return {};
    });
    ASSERT_TRUE(log.ok()) << log.error().message;
    log_ = std::move(log).value();
    // What was still in the process's own buffer is gone.
    ASSERT_GE(at, model_.end_min);
    model_.records.resize(at);
    model_.end_min = at;
  }

  void crash_now() {
    if (testing::Test::HasFailure()) return;
    if (random_.one_in(40)) {
      const auto pieces = disk_->unsynced_pieces();
      const auto step = 1 + pieces / 200;
      for (std::size_t i = 0; i <= pieces; i += step) check(disk_->image_of_first(i), 1);
    }
    for (std::size_t i = 0; i < shape_.images_per_moment; ++i) check(disk_->image(random_), 2);
  }

  /// Opens `image` and compares; then goes on and crashes again, `more` times.
  void check(const std::shared_ptr<SimDisk>& image, int more) {
    ++tally_.images;
    if (more > 0 && random_.one_in(10)) crash_in_recovery(image);
    std::vector<Record> found;
    auto log = SegmentLog::open(image, shape_.options, [&](const Record& record) -> Result<void> {
      found.push_back(record);
      return {};
    });
    ASSERT_TRUE(log.ok()) << log.error().message;
    const auto first = match(found);
    ASSERT_TRUE(first) << found.size() << " records found";
    if (*first + found.size() < model_.records.size()) ++tally_.cut_short;
    if (more > 0 && random_.one_in(3)) go_on(**log, image, found);
  }

  /// Where `found` begins in the model; nothing if it is no part of it or too short.
  std::optional<std::size_t> match(const std::vector<Record>& found) const {
    for (auto first = model_.first_min; first <= model_.first_max; ++first) {
      const auto end = first + found.size();
      if (end < model_.end_min || end > model_.records.size()) continue;
      bool equal = true;
      for (std::size_t i = 0; i < found.size() && equal; ++i)
        equal = found[i].body == model_.records[first + i].body() &&
                found[i].kind == model_.records[first + i].serial % 200;
      if (equal) return first;
    }
    return std::nullopt;
  }

  void crash_in_recovery(const std::shared_ptr<SimDisk>& image) {
    const auto disk = image->image_of_first(image->unsynced_pieces());
    std::vector<std::shared_ptr<SimDisk>> images;
    disk->observe([&] { images.push_back(disk->image(random_)); });
    ASSERT_TRUE(SegmentLog::open(disk, shape_.options, nullptr).ok());
    for (const auto& again : images) check(again, 0);
  }

  /// The reopened log takes new records, and those survive the next crash together with the old.
  void go_on(SegmentLog& log, const std::shared_ptr<SimDisk>& image,
             const std::vector<Record>& found) {
    std::vector<Bytes> expected;
    for (const auto& record : found) expected.push_back(record.body);
    const auto durable = random_.below(6);
    const auto extra = random_.below(4);
    for (std::size_t i = 0; i < durable + extra; ++i) {
      const auto record = next_record();
      expected.push_back(record.body());
      ASSERT_TRUE(log.append(1, {expected.back()}).ok());
      if (i + 1 != durable) continue;
      ASSERT_TRUE(log.sync().ok());
    }
    const auto again = image->image(random_);
    std::size_t at = 0;
    const auto reopened =
        SegmentLog::open(again, shape_.options, [&](const Record& record) -> Result<void> {
          EXPECT_LT(at, expected.size());
          EXPECT_EQ(record.body, at < expected.size() ? expected[at] : "");
          ++at;
          return {};
        });
    ASSERT_TRUE(reopened.ok()) << reopened.error().message;
    EXPECT_GE(at, found.size() + durable);
    ++tally_.images;
  }

  Random random_;
  Shape shape_;
  Tally& tally_;
  std::shared_ptr<SimDisk> disk_;
  std::unique_ptr<SegmentLog> log_;
  Model model_;
  std::uint64_t next_serial_ = 1;
};

void run_seeds(std::uint64_t first, std::uint64_t count, const Shape& shape,
               std::size_t least_images) {
  Tally tally;
  for (auto seed = first; seed < first + count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashRun(seed, shape, tally).run();
  }
  EXPECT_GE(tally.images, least_images);
  // Otherwise the images were harmless and this test shows nothing.
  EXPECT_GE(tally.cut_short, least_images / 20);
  testing::Test::RecordProperty("images", static_cast<int>(tally.images));
}

TEST(SegmentLogCrash, SmallRecordsSurviveEveryCrash) {
  Shape shape;
  shape.options.segment_bytes = 12 << 10;
  shape.options.preallocation_step_bytes = 4 << 10;
  shape.min_body = 90;
  shape.max_body = 900;
  shape.steps = 400;
  run_seeds(1, 80, shape, 20'000);
}

TEST(SegmentLogCrash, TinyRecordsSurviveEveryCrash) {
  Shape shape;
  shape.options.segment_bytes = 8 << 10;
  shape.options.preallocation_step_bytes = 1 << 10;
  shape.min_body = 0;
  shape.max_body = 30;
  shape.steps = 600;
  run_seeds(1000, 80, shape, 20'000);
}

TEST(SegmentLogCrash, LargeRecordsSurviveEveryCrash) {
  Shape shape;
  shape.options.segment_bytes = 400 << 10;
  shape.options.preallocation_step_bytes = 128 << 10;
  shape.min_body = 30 << 10;
  shape.max_body = 150 << 10;
  shape.steps = 80;
  run_seeds(2000, 4, shape, 1000);
}

TEST(SegmentLogCrash, RecordsOfAllSizesSurviveEveryCrash) {
  Shape shape;
  shape.options.segment_bytes = 160 << 10;
  shape.options.preallocation_step_bytes = 16 << 10;
  shape.min_body = 60;
  shape.max_body = 80 << 10;
  shape.steps = 120;
  run_seeds(3000, 8, shape, 1000);
}

}  // namespace
}  // namespace cairn::storage
