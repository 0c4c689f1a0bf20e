// The log's promises apart from crashes: order, positions, errors, room, rot, threads.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "storage/segment_log.hpp"
#include "tests/support/sim_disk.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

using test::Random;
using test::SimDisk;

SegmentLogOptions small_segments() {
  SegmentLogOptions options;
  options.segment_bytes = 16 << 10;
  options.preallocation_step_bytes = 4 << 10;
  return options;
}

struct Opened {
  std::unique_ptr<SegmentLog> log;
  std::vector<Record> records;
  std::optional<Error> error;
};

Opened open_log(const std::shared_ptr<Disk>& disk, const SegmentLogOptions& options) {
  Opened out;
  auto log = SegmentLog::open(disk, options, [&](const Record& record) -> Result<void> {
    out.records.push_back(record);
    return {};
  });
  if (log.ok())
    out.log = std::move(log).value();
  else
    out.error = log.error();
  return out;
}

Bytes numbered(std::size_t i, std::size_t size = 300) {
  auto body = std::to_string(i) + ":";
  body.resize(std::max(size, body.size()), static_cast<char>('a' + i % 26));
  return body;
}

std::vector<RecordLocation> append_some(SegmentLog& log, std::size_t from, std::size_t count,
                                        std::size_t size = 300) {
  std::vector<RecordLocation> out;
  for (std::size_t i = from; i < from + count; ++i) {
    const auto location = log.append(static_cast<std::uint8_t>(i), {numbered(i, size)});
    EXPECT_TRUE(location.ok()) << location.error().message;
    if (location.ok()) out.push_back(*location);
  }
  return out;
}

void expect_numbered(const std::vector<Record>& records, std::size_t from, std::size_t count,
                     std::size_t size = 300) {
  ASSERT_EQ(records.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(records[i].body, numbered(from + i, size));
    EXPECT_EQ(records[i].kind, static_cast<std::uint8_t>(from + i));
  }
}

TEST(SegmentLog, KeepsRecordsInOrderAcrossSegmentsAndRestarts) {
  const test::TempDir dir;
  for (std::size_t round = 0; round < 3; ++round) {
    std::shared_ptr<Disk> disk = open_directory(dir / "log").value();
    auto opened = open_log(disk, small_segments());
    ASSERT_TRUE(opened.log);
    expect_numbered(opened.records, 0, round * 200);
    const auto locations = append_some(*opened.log, round * 200, 200);
    ASSERT_TRUE(opened.log->sync().ok());
    for (std::size_t i = 1; i < locations.size(); ++i) EXPECT_LT(locations[i - 1], locations[i]);
    EXPECT_GT(opened.log->segments().size(), round * 3 + 2);
  }
}

TEST(SegmentLog, ReadsWhatIsStillInMemoryAndWhatIsOnDisk) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  const auto locations = append_some(*log, 0, 100);
  const auto check = [&] {
    for (std::size_t i = 0; i < locations.size(); ++i) {
      const auto record = log->read(locations[i]);
      ASSERT_TRUE(record.ok());
      EXPECT_EQ(record->body, numbered(i));
      EXPECT_EQ(record->location, locations[i]);
      EXPECT_EQ(log->read_part(locations[i], 1, 7).value(), numbered(i).substr(1, 7));
    }
  };
  check();
  ASSERT_TRUE(log->sync().ok());
  check();
}

TEST(SegmentLog, AnswersNotFoundWhereNoRecordIs) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  const auto locations = append_some(*log, 0, 3);
  ASSERT_TRUE(log->sync().ok());
  const auto end = log->segments().back().used_bytes;
  for (const RecordLocation wrong :
       {RecordLocation{1, 0}, RecordLocation{1, 512}, RecordLocation{9, 4096},
        RecordLocation{0, 4096}, RecordLocation{1, static_cast<std::uint32_t>(end)},
        RecordLocation{1, UINT32_MAX}, RecordLocation{1, locations[1].offset + 1}}) {
    EXPECT_EQ(log->read(wrong).error().code, Errc::not_found)
        << wrong.segment << " " << wrong.offset;
    EXPECT_EQ(log->read_part(wrong, 0, 1).error().code, Errc::not_found);
  }
  EXPECT_EQ(log->read({1, locations[1].offset + 4}).error().code, Errc::corrupt);
}

TEST(SegmentLog, RefusesARecordThatNoSegmentHolds) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  const Bytes huge(16 << 10, 'x');
  EXPECT_EQ(log->append(1, {huge}).error().code, Errc::too_large);
  const Bytes largest((16 << 10) - 4096 - 40, 'y');
  const auto location = log->append(1, {largest});
  ASSERT_TRUE(location.ok());
  ASSERT_TRUE(log->sync().ok());
  EXPECT_EQ(log->read(*location)->body, largest);
  append_some(*log, 0, 3);
  ASSERT_TRUE(log->sync().ok());
  EXPECT_EQ(open_log(disk, small_segments()).records.size(), 4u);
}

TEST(SegmentLog, EmptyRecordsAndEmptyPartsAreRecords) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  ASSERT_TRUE(log->append(0, {}).ok());
  ASSERT_TRUE(log->append(255, {"", "ab", "", "c"}).ok());
  ASSERT_TRUE(log->sync().ok());
  const auto records = open_log(disk, small_segments()).records;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].body, "");
  EXPECT_EQ(records[0].kind, 0);
  EXPECT_EQ(records[1].body, "abc");
  EXPECT_EQ(records[1].kind, 255);
}

TEST(SegmentLog, TruncatesTheBackAndGoesOn) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  auto locations = append_some(*log, 0, 200);
  ASSERT_TRUE(log->sync().ok());
  ASSERT_TRUE(log->truncate_back(locations[50]).ok());
  EXPECT_EQ(log->read(locations[50]).error().code, Errc::not_found);
  EXPECT_EQ(log->read(locations[199]).error().code, Errc::not_found);
  EXPECT_TRUE(log->read(locations[49]).ok());
  append_some(*log, 50, 10);
  ASSERT_TRUE(log->sync().ok());
  expect_numbered(open_log(disk, small_segments()).records, 0, 60);
}

TEST(SegmentLog, TruncatesTheFrontByWholeSegmentsAndReusesThem) {
  const auto disk = std::make_shared<SimDisk>();
  auto options = small_segments();
  options.spare_segments = 1;
  auto log = open_log(disk, options).log;
  const auto locations = append_some(*log, 0, 200);
  ASSERT_TRUE(log->sync().ok());
  const auto before = log->used_bytes();
  ASSERT_TRUE(log->truncate_front(locations[150]).ok());
  EXPECT_LT(log->used_bytes(), before);
  EXPECT_EQ(log->segments().front().segment, locations[150].segment);
  EXPECT_EQ(log->read(locations[0]).error().code, Errc::not_found);
  const auto names = disk->list().value();
  EXPECT_EQ(
      std::count_if(names.begin(), names.end(), [](auto& n) { return n.ends_with(".spare"); }), 1);
  append_some(*log, 200, 100);
  ASSERT_TRUE(log->sync().ok());
  const auto records = open_log(disk, options).records;
  const auto first = std::find_if(locations.begin(), locations.end(),
                                  [&](const auto& location) {
                                    return location.segment == locations[150].segment;
                                  }) -
                     locations.begin();
  expect_numbered(records, static_cast<std::size_t>(first), 300 - static_cast<std::size_t>(first));
}

TEST(SegmentLog, RemovesASegmentInTheMiddleAndScansTheOthers) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  const auto locations = append_some(*log, 0, 200);
  const auto last = log->segments().back().segment;
  EXPECT_EQ(log->remove_segment(last).error().code, Errc::invalid_argument);
  EXPECT_EQ(log->remove_segment(99).error().code, Errc::not_found);
  ASSERT_TRUE(log->remove_segment(2).ok());
  EXPECT_EQ(log->remove_segment(2).error().code, Errc::not_found);
  std::vector<std::size_t> expected;
  for (std::size_t i = 0; i < locations.size(); ++i)
    if (locations[i].segment != 2) expected.push_back(i);
  std::vector<Bytes> scanned;
  for (const auto& info : log->segments())
    ASSERT_TRUE(log->scan(info.segment,
                          [&](const Record& record) -> Result<void> {
                            scanned.push_back(record.body);
                            return {};
                          })
                    .ok());
  ASSERT_EQ(scanned.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(scanned[i], numbered(expected[i]));
  ASSERT_TRUE(log->sync().ok());
  EXPECT_EQ(open_log(disk, small_segments()).records.size(), expected.size());
}

TEST(SegmentLog, VisitsFromTheAskedRecordOn) {
  const auto disk = std::make_shared<SimDisk>();
  auto options = small_segments();
  std::vector<RecordLocation> locations;
  {
    auto log = open_log(disk, options).log;
    locations = append_some(*log, 0, 200);
    ASSERT_TRUE(log->sync().ok());
  }
  options.visit_from = locations[120];
  const auto opened = open_log(disk, options);
  ASSERT_TRUE(opened.log);
  expect_numbered(opened.records, 120, 80);
  EXPECT_EQ(opened.log->read(locations[3])->body, numbered(3));
  EXPECT_EQ(opened.log->used_bytes(), open_log(disk, small_segments()).log->used_bytes());
}

TEST(SegmentLog, AnErrorOfTheVisitorEndsTheOpening) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  append_some(*log, 0, 3);
  ASSERT_TRUE(log->sync().ok());
  const auto refused = SegmentLog::open(disk, small_segments(), [](const Record&) -> Result<void> {
    return Error{Errc::protocol, "no"};
  });
  EXPECT_EQ(refused.error().code, Errc::protocol);
}

TEST(SegmentLog, RefusesASegmentOfAnotherLog) {
  const test::TempDir dir;
  for (const auto* name : {"a", "b"}) {
    std::shared_ptr<Disk> disk = open_directory(dir / name).value();
    auto log = open_log(disk, small_segments()).log;
    append_some(*log, 0, 100);
    ASSERT_TRUE(log->sync().ok());
  }
  ASSERT_EQ(std::rename((dir / "b/00000002.seg").c_str(), (dir / "a/00000002.seg").c_str()), 0);
  const auto opened = open_log(open_directory(dir / "a").value(), small_segments());
  ASSERT_TRUE(opened.error);
  EXPECT_EQ(opened.error->code, Errc::corrupt);
  EXPECT_NE(opened.error->message.find("00000002.seg"), std::string::npos);
}

TEST(SegmentLog, NoRoomChangesNothingAndGoesAway) {
  for (const auto preallocation : {Preallocation::written_zeros, Preallocation::reserved}) {
    const auto disk = std::make_shared<SimDisk>(40 << 10);
    auto options = small_segments();
    options.preallocation = preallocation;
    auto log = open_log(disk, options).log;
    std::size_t count = 0;
    while (true) {
      const auto location = log->append(static_cast<std::uint8_t>(count), {numbered(count)});
      if (!location.ok()) {
        ASSERT_EQ(location.error().code, Errc::disk_full);
        break;
      }
      ASSERT_LT(++count, 1000u);
    }
    EXPECT_EQ(log->append(1, {numbered(1)}).error().code, Errc::disk_full);
    ASSERT_TRUE(log->sync().ok());
    const auto image = disk->image_of_first(0);
    expect_numbered(open_log(image, options).records, 0, count);
    disk->set_capacity(1 << 20);
    append_some(*log, count, 50);
    ASSERT_TRUE(log->sync().ok());
    expect_numbered(open_log(disk->image_of_first(0), options).records, 0, count + 50);
  }
}

/// Runs a fixed workload in which operation `at` of the disk fails with `code`; returns the number
/// of operations it took.
std::uint64_t run_with_fault(std::uint64_t at, Errc code) {
  const auto disk = std::make_shared<SimDisk>();
  disk->fail_after(at, code);
  std::vector<Bytes> accepted;
  std::size_t durable = 0;
  bool failed = false;
  auto opened = open_log(disk, small_segments());
  if (opened.log) {
    auto& log = *opened.log;
    for (std::size_t i = 0; i < 60 && !failed; ++i) {
      auto location = log.append(1, {numbered(i)});
      if (!location.ok() && location.error().code == Errc::disk_full)
        location = log.append(1, {numbered(i)});
      if (location.ok()) accepted.push_back(numbered(i));
      failed = !location.ok();
      if (!failed && i % 7 == 6) {
        failed = !log.sync().ok();
        if (!failed) durable = accepted.size();
      }
    }
    if (failed) {
      EXPECT_EQ(log.append(1, {"x"}).error().code, Errc::io);
      EXPECT_EQ(log.sync().error().code, Errc::io);
      EXPECT_EQ(log.read({1, 4096}).error().code, Errc::io);
      EXPECT_EQ(log.truncate_front({1, 4096}).error().code, Errc::io);
      EXPECT_EQ(log.truncate_back({1, 4096}).error().code, Errc::io);
    }
  } else {
    EXPECT_TRUE(opened.error->code == code || opened.error->code == Errc::io);
  }
  Random random(at);
  for (int i = 0; i < 5; ++i) {
    const auto again = open_log(disk->image(random), small_segments());
    EXPECT_TRUE(again.log) << "at " << at << ": " << again.error->message;
    EXPECT_GE(again.records.size(), durable);
    // One more may show: the append that failed may have reached the disk.
    EXPECT_LE(again.records.size(), accepted.size() + 1);
    for (std::size_t k = 0; k < again.records.size(); ++k)
      EXPECT_EQ(again.records[k].body, numbered(k));
  }
  return disk->operations();
}

TEST(SegmentLog, AFailureOfAnyOperationIsFinalAndLosesNothingDurable) {
  const auto operations = run_with_fault(UINT64_MAX / 2, Errc::io);
  ASSERT_GT(operations, 40u);
  for (std::uint64_t at = 0; at < operations; ++at) run_with_fault(at, Errc::io);
}

TEST(SegmentLog, NoRoomAtAnyOperationLosesNothingDurable) {
  const auto operations = run_with_fault(UINT64_MAX / 2, Errc::disk_full);
  for (std::uint64_t at = 0; at < operations; ++at) run_with_fault(at, Errc::disk_full);
}

TEST(SegmentLog, AnyFlippedBitOfADurableRecordIsFound) {
  const auto disk = std::make_shared<SimDisk>();
  {
    auto log = open_log(disk, small_segments()).log;
    for (std::size_t i = 0; i < 120; i += 4) {
      append_some(*log, i, 4);
      ASSERT_TRUE(log->sync().ok());
    }
  }
  Random random(7);
  std::size_t found = 0, harmless = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto image = disk->image_of_first(disk->unsynced_pieces());
    const auto names = image->list().value();
    const auto& name = names[random.below(names.size())];
    ASSERT_TRUE(image->rot(name, random.below(image->content(name).size()), random.below(8)));
    const auto opened = open_log(image, small_segments());
    if (opened.log) {
      ++harmless;  // it lay in padding or in unused room
      expect_numbered(opened.records, 0, 120);
    } else {
      ++found;
      ASSERT_EQ(opened.error->code, Errc::corrupt);
      EXPECT_NE(opened.error->message.find(name), std::string::npos) << opened.error->message;
      EXPECT_NE(opened.error->message.find("offset"), std::string::npos);
    }
  }
  EXPECT_GT(found, 1500u);
  EXPECT_GT(harmless, 300u);
}

TEST(SegmentLog, RotAfterACrashNeverShowsWrongBytes) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  for (std::size_t i = 0; i < 60; i += 4) {
    append_some(*log, i, 4);
    ASSERT_TRUE(log->sync().ok());
  }
  append_some(*log, 60, 10);
  Random random(8);
  for (int i = 0; i < 2000; ++i) {
    // Without its unsynced mark the last batch cannot be told from a torn tail; all before it can.
    const auto image = disk->image_of_first(0);
    const auto names = image->list().value();
    const auto& name = names[random.below(names.size())];
    image->rot(name, random.below(image->content(name).size()), random.below(8));
    const auto opened = open_log(image, small_segments());
    if (!opened.log) {
      ASSERT_EQ(opened.error->code, Errc::corrupt);
      continue;
    }
    ASSERT_GE(opened.records.size(), 56u);
    ASSERT_LE(opened.records.size(), 60u);
    expect_numbered(opened.records, 0, opened.records.size());
  }
}

TEST(SegmentLog, RotUnderARunningLogIsFoundOnRead) {
  const auto disk = std::make_shared<SimDisk>();
  auto log = open_log(disk, small_segments()).log;
  const auto locations = append_some(*log, 0, 100);
  ASSERT_TRUE(log->sync().ok());
  ASSERT_TRUE(disk->rot("00000001.seg", locations[5].offset + 100, 3));
  ASSERT_TRUE(disk->rot("00000001.seg", locations[6].offset + 9, 3));
  EXPECT_EQ(log->read(locations[5]).error().code, Errc::corrupt);
  EXPECT_EQ(log->read(locations[6]).error().code, Errc::corrupt);
  EXPECT_EQ(log->read(locations[7])->body, numbered(7));
  EXPECT_EQ(log->scan(1, [](const Record&) { return Result<void>(); }).error().code, Errc::corrupt);
}

TEST(SegmentLog, OtherThreadsReadWhileTheWriterAppendsAndTruncates) {
  const test::TempDir dir;
  std::shared_ptr<Disk> disk = open_directory(dir / "log").value();
  auto options = small_segments();
  auto log = open_log(disk, options).log;
  constexpr std::size_t total = 4000;
  std::vector<RecordLocation> locations(total);
  std::atomic<std::size_t> durable = 0, forgotten = 0;
  std::atomic<std::size_t> reads = 0;
  const auto read = [&](std::uint64_t seed) {
    Random random(seed);
    while (durable < total || reads < 1000) {
      const auto end = durable.load();
      if (end == 0) continue;
      const auto i = random.below(end);
      const auto record = log->read(locations[i]);
      ++reads;
      if (record.ok()) {
        EXPECT_EQ(record->body, numbered(i));
      } else {
        EXPECT_EQ(record.error().code, Errc::not_found) << record.error().message;
        EXPECT_LT(i, forgotten.load());
      }
    }
  };
  std::thread first(read, 1), second(read, 2);
  for (std::size_t i = 0; i < total; i += 20) {
    const auto some = append_some(*log, i, 20);
    std::copy(some.begin(), some.end(), locations.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(log->sync().ok());
    durable = i + 20;
    if (i < 500) continue;
    forgotten = i - 400;
    EXPECT_TRUE(log->truncate_front(locations[i - 400]).ok());
  }
  first.join();
  second.join();
}

}  // namespace
}  // namespace cairn::storage
