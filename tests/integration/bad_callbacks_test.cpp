// What a client's own capabilities can do to the server that calls them: throw what is no exception, never
// answer, go away. The server drops them and serves everybody else.
#include <gmock/gmock.h>
#include <kj/async-queue.h>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"
#include "tests/integration/raw_client.hpp"
#include "tests/support/random.hpp"
#include "tests/support/resident.hpp"

namespace cairn::test {
namespace {

using namespace std::chrono_literals;

// A type that no version of Cap'n Proto knows: reading its name runs off a table.
kj::Exception odd_exception() {
  return kj::Exception(static_cast<kj::Exception::Type>(65535), "client", 1, kj::str("odd"));
}

class TestWatcher final : public rpc::Watcher::Server {
 public:
  enum class Manner { takes, throws_odd, never_answers, throws };
  struct Seen {
    std::vector<std::uint64_t> cursors;
    int pages = 0;
    int at_once = 0;
    int ended = 0;
    Errc code{};
  };

  TestWatcher(Manner manner, std::shared_ptr<Seen> seen) : manner_(manner), seen_(std::move(seen)) {}

  kj::Promise<void> changed(ChangedContext context) override {
    ++seen_->pages;
    EXPECT_EQ(++seen_->at_once, 1) << "one page at a time";
    for (const auto event : context.getParams().getPage().getEvents()) seen_->cursors.push_back(event.getCursor());
    switch (manner_) {
      case Manner::throws_odd: --seen_->at_once; return odd_exception();
      case Manner::throws: --seen_->at_once; return KJ_EXCEPTION(FAILED, "no");
      case Manner::never_answers: return kj::NEVER_DONE;
      case Manner::takes: break;
    }
    return kj::evalLast([this] { --seen_->at_once; });
  }

  kj::Promise<void> ended(EndedContext context) override {
    ++seen_->ended;
    seen_->code = static_cast<Errc>(context.getParams().getCode());
    if (manner_ == Manner::throws_odd) return odd_exception();
    return kj::READY_NOW;
  }

 private:
  Manner manner_;
  std::shared_ptr<Seen> seen_;
};

class TestSink final : public rpc::ByteSink::Server {
 public:
  enum class Manner { takes, throws_odd, never_answers, throws_odd_at_end };
  struct Seen {
    std::string bytes;
    int writes = 0;
    bool ended = false;
  };

  TestSink(Manner manner, std::shared_ptr<Seen> seen) : manner_(manner), seen_(std::move(seen)) {}

  kj::Promise<void> write(WriteContext context) override {
    ++seen_->writes;
    const auto bytes = context.getParams().getBytes();
    seen_->bytes.append(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
    if (manner_ == Manner::throws_odd) return odd_exception();
    if (manner_ == Manner::never_answers) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }

  kj::Promise<void> end(EndContext) override {
    seen_->ended = true;
    if (manner_ == Manner::throws_odd_at_end) return odd_exception();
    return kj::READY_NOW;
  }

 private:
  Manner manner_;
  std::shared_ptr<Seen> seen_;
};

class BadCallbacks : public RawNode {
 protected:
  using Watching = TestWatcher::Manner;
  using Sinking = TestSink::Manner;

  Result<rpc::Watch::Client> watch(RawClient& client, rpc::Watcher::Client watcher, std::uint64_t cursor = 0) {
    auto request = client.drive().watchRequest();
    request.setCursor(cursor);
    request.setWatcher(kj::mv(watcher));
    return outcome<rpc::Watch::Client>(io, request.send().then([](auto&& response) { return response.getWatch(); }));
  }

  kj::Promise<void> download(RawClient& client, const std::string& path, rpc::ByteSink::Client sink,
                             std::uint64_t offset = 0, std::uint64_t bytes = 0) {
    auto request = client.drive().downloadRequest();
    to_capnp(EntryRef{root_entry, path}, request.initEntry());
    request.setOffset(offset);
    request.setBytes(bytes);
    request.setSink(kj::mv(sink));
    return request.send().ignoreResult();
  }

  Result<void> settled(kj::Promise<void> promise) {
    const auto done = outcome<bool>(io, promise.then([] { return true; }));
    if (!done) return done.error();
    return {};
  }

  // A file of `count` blocks of 1 MiB.
  std::string put_blocks(RawClient& client, const std::string& name, std::size_t count) {
    PutFile put{{}, name, EntryKind::file, {}, {}, {0644, 1}};
    std::vector<Receipt> receipts;
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
      const auto bytes = Random(i + 1).bytes(1u << 20);
      const auto id = sha256(bytes);
      receipts.push_back(client.put_block(id.view(), bytes).value());
      put.content.blocks.push_back({id, 1u << 20});
      all += bytes;
    }
    put.content.size = all.size();
    EXPECT_TRUE(client.change([&](rpc::Change::Builder out) { to_capnp(Change{put}, out); }, receipts));
    return all;
  }
};

TEST_F(BadCallbacks, AWatcherGetsEveryChangeOnceAndInOrder) {
  start();
  const auto client = sign_in();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(client->make_folder("a" + std::to_string(i)));
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*client, kj::heap<TestWatcher>(Watching::takes, seen));
  ASSERT_TRUE(watching);
  const auto other = sign_in("ada", 2);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(other->make_folder("b" + std::to_string(i)));
  EXPECT_TRUE(run_until([&] { return seen->cursors.size() >= 600; }));
  EXPECT_EQ(seen->cursors.size(), 600u);
  for (std::size_t i = 0; i < seen->cursors.size(); ++i) ASSERT_EQ(seen->cursors[i], i + 1);
  EXPECT_EQ(seen->ended, 0);
}

TEST_F(BadCallbacks, AWatchersExceptionOfAnUnknownType) {
  start();
  const auto client = sign_in();
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*client, kj::heap<TestWatcher>(Watching::throws_odd, seen));
  ASSERT_TRUE(watching);
  ASSERT_TRUE(client->make_folder("x"));
  EXPECT_TRUE(run_until([&] { return seen->ended == 1; }));
  EXPECT_EQ(seen->pages, 1);
  EXPECT_TRUE(client->make_folder("y"));
  expect_serving();
}

TEST_F(BadCallbacks, AWatcherThatThrowsIsDroppedAndTold) {
  start();
  const auto client = sign_in();
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*client, kj::heap<TestWatcher>(Watching::throws, seen));
  ASSERT_TRUE(client->make_folder("x"));
  EXPECT_TRUE(run_until([&] { return seen->ended == 1; }));
  EXPECT_EQ(seen->code, Errc::cancelled);
}

TEST_F(BadCallbacks, AWatcherThatNeverAnswersIsDroppedInTime) {
  config.rpc.callback_timeout = 300ms;
  start();
  const auto client = sign_in();
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*client, kj::heap<TestWatcher>(Watching::never_answers, seen));
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(client->make_folder(std::to_string(i)));
  EXPECT_TRUE(run_until([&] { return seen->ended == 1; }));
  EXPECT_EQ(seen->pages, 1);
  EXPECT_TRUE(client->make_folder("y"));
}

TEST_F(BadCallbacks, AWatcherThatIsAPromiseWhichBreaksWithAnUnknownType) {
  start();
  const auto client = sign_in();
  auto pair = kj::newPromiseAndFulfiller<rpc::Watcher::Client>();
  const auto watching = watch(*client, rpc::Watcher::Client(kj::mv(pair.promise)));
  ASSERT_TRUE(watching);
  pair.fulfiller->reject(odd_exception());
  ASSERT_TRUE(client->make_folder("x"));
  ASSERT_TRUE(client->make_folder("y"));
  expect_serving();
}

TEST_F(BadCallbacks, WatchesAreBoundedAndDroppingOneMakesRoom) {
  start();
  const auto client = sign_in();
  const auto seen = std::make_shared<TestWatcher::Seen>();
  std::vector<Result<rpc::Watch::Client>> all;
  for (std::size_t i = 0; i < limits::max_watches_per_session; ++i) {
    all.push_back(watch(*client, kj::heap<TestWatcher>(Watching::takes, seen)));
    ASSERT_TRUE(all.back());
  }
  const auto beyond = watch(*client, kj::heap<TestWatcher>(Watching::takes, seen));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Errc::busy);
  all.clear();
  EXPECT_TRUE(run_until([&] { return watch(*client, kj::heap<TestWatcher>(Watching::takes, seen)).ok(); }));
}

TEST_F(BadCallbacks, AWatchFromACursorThatNeverWas) {
  start();
  const auto client = sign_in();
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*client, kj::heap<TestWatcher>(Watching::takes, seen), 1'000'000);
  EXPECT_TRUE(run_until([&] { return seen->ended == 1; }));
  EXPECT_EQ(seen->pages, 0);
}

TEST_F(BadCallbacks, RevokingASessionEndsItsWatches) {
  start();
  const auto client = sign_in();
  const auto other = sign_in("ada", 2);
  const auto seen = std::make_shared<TestWatcher::Seen>();
  const auto watching = watch(*other, kj::heap<TestWatcher>(Watching::takes, seen));
  ASSERT_TRUE(watching);
  auto request = KJ_ASSERT_NONNULL(client->session).revokeRequest();
  request.setClientId(2);
  ASSERT_TRUE(done(io, request.send()));
  EXPECT_TRUE(run_until([&] { return seen->ended == 1; }));
  EXPECT_EQ(seen->code, Errc::revoked_token);
}

TEST_F(BadCallbacks, ADownloadIsWhatWasStored) {
  start();
  const auto client = sign_in();
  const auto all = put_blocks(*client, "file", 20);
  const auto whole = std::make_shared<TestSink::Seen>();
  ASSERT_TRUE(settled(download(*client, "file", kj::heap<TestSink>(Sinking::takes, whole))));
  EXPECT_TRUE(whole->ended);
  EXPECT_TRUE(whole->bytes == all);
  const auto part = std::make_shared<TestSink::Seen>();
  ASSERT_TRUE(settled(download(*client, "file", kj::heap<TestSink>(Sinking::takes, part), 1'500'000, 3'000'000)));
  EXPECT_TRUE(part->bytes == all.substr(1'500'000, 3'000'000));
}

TEST_F(BadCallbacks, ASinksExceptionOfAnUnknownType) {
  start();
  const auto client = sign_in();
  put_blocks(*client, "file", 8);
  for (const auto manner : {Sinking::throws_odd, Sinking::throws_odd_at_end}) {
    const auto seen = std::make_shared<TestSink::Seen>();
    EXPECT_FALSE(settled(download(*client, "file", kj::heap<TestSink>(manner, seen))));
  }
  expect_serving();
}

TEST_F(BadCallbacks, ASinkThatNeverAnswersIsDroppedInTime) {
  config.rpc.callback_timeout = 100ms;
  start();
  const auto client = sign_in();
  put_blocks(*client, "file", 20);
  const auto seen = std::make_shared<TestSink::Seen>();
  const auto ended = settled(download(*client, "file", kj::heap<TestSink>(Sinking::never_answers, seen)));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::timed_out) << ended.error().message;
  EXPECT_THAT(ended.error().message, testing::HasSubstr("sink"));
  EXPECT_FALSE(seen->ended);
  EXPECT_TRUE(client->make_folder("still here"));
}

TEST_F(BadCallbacks, ManyDownloadsThatAreNotTakenKeepMemoryBounded) {
  config.rpc.callback_timeout = 1h;
  start();
  const auto client = sign_in();
  put_blocks(*client, "file", 30);
  const auto before = resident_bytes();
  const auto seen = std::make_shared<TestSink::Seen>();
  kj::Vector<kj::Promise<void>> downloads;
  for (int i = 0; i < 200; ++i)
    downloads.add(download(*client, "file", kj::heap<TestSink>(Sinking::never_answers, seen)).eagerlyEvaluate(nullptr));
  // What the server calls beyond its windows would come before the answer to this.
  ASSERT_TRUE(client->make_folder("still here"));
  EXPECT_TRUE(run_until([&] { return seen->writes > 0; }));
  ASSERT_TRUE(client->make_folder("and again"));
  EXPECT_LT(resident_bytes(), before + (400u << 20));
}

TEST_F(BadCallbacks, AClientThatVanishesInTheMiddleOfADownload) {
  config.rpc.callback_timeout = 1h;
  start();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const auto client = sign_in("ada", i);
    if (i == 1) put_blocks(*client, "file", 20);
    const auto seen = std::make_shared<TestSink::Seen>();
    auto going = download(*client, "file", kj::heap<TestSink>(Sinking::never_answers, seen)).eagerlyEvaluate(nullptr);
    EXPECT_TRUE(run_until([&] { return seen->writes > 0; }));
  }
  expect_serving();
}

TEST_F(BadCallbacks, ADriveOutlivesItsSessionCapability) {
  start();
  const auto client = sign_in();
  ASSERT_TRUE(client->make_folder("x"));
  client->session = nullptr;
  EXPECT_TRUE(client->make_folder("y"));
  const auto seen = std::make_shared<TestWatcher::Seen>();
  auto watching = watch(*client, kj::heap<TestWatcher>(Watching::takes, seen));
  client->drive_ = nullptr;
  const auto other = sign_in("ada", 2);
  ASSERT_TRUE(other->make_folder("z"));
  EXPECT_TRUE(run_until([&] { return seen->cursors.size() == 3; }));
}

TEST_F(BadCallbacks, CallsWhoseCapabilitiesAreDroppedMeanwhile) {
  start();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto client = sign_in("ada", i);
    kj::Vector<kj::Promise<void>> calls;
    for (int n = 0; n < 50; ++n) {
      calls.add(client->drive().usageRequest().send().ignoreResult());
      auto block = client->drive().putBlockRequest();
      const auto bytes = Random(static_cast<std::uint64_t>(n)).bytes(10'000);
      const auto id = sha256(bytes);
      block.setId({id.bytes.data(), id.bytes.size()});
      block.setBytes({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
      calls.add(block.send().ignoreResult());
    }
    client->session = nullptr;
    client->drive_ = nullptr;
    if (i % 2) client->rpc = nullptr;
  }
  expect_serving();
}

TEST_F(BadCallbacks, StoppingWithBusyClientsTakesNoTime) {
  config.rpc.callback_timeout = 1h;
  start();
  std::vector<std::shared_ptr<RawClient>> clients;
  kj::Vector<kj::Promise<void>> calls;
  const auto sink = std::make_shared<TestSink::Seen>();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    clients.push_back(sign_in("ada", i));
    auto& client = *clients.back();
    if (i == 1) put_blocks(client, "file", 20);
    calls.add(
        download(client, "file", kj::heap<TestSink>(Sinking::never_answers, sink)).eagerlyEvaluate([](auto&&) {}));
    auto request = client.drive().watchRequest();
    request.setWatcher(kj::heap<TestWatcher>(Watching::never_answers, std::make_shared<TestWatcher::Seen>()));
    calls.add(request.send().ignoreResult().eagerlyEvaluate([](auto&&) {}));
    for (std::uint64_t n = 0; n < 20; ++n) {
      auto block = client.drive().putBlockRequest();
      const auto bytes = Random(100 * i + n).bytes(1u << 20);
      const auto id = sha256(bytes);
      block.setId({id.bytes.data(), id.bytes.size()});
      block.setBytes({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
      calls.add(block.send().ignoreResult().eagerlyEvaluate([](auto&&) {}));
    }
  }
  EXPECT_TRUE(run_until([&] { return sink->writes > 0; }));
  // TearDown stops the node and holds it to its time.
}

}  // namespace
}  // namespace cairn::test
