// The connection against a server that is late, dies, loses answers and lies.
#include "client/connection.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "protocol/digest.hpp"
#include "tests/client/memory_server.hpp"

namespace cairn::client {
namespace {

Change folder(const std::string& name) { return MakeFolder{{}, name, {}}; }

TEST(Connection, AddressesAreChecked) {
  for (const auto* good : {"a:1", "127.0.0.1:65535", "[::1]:7420", "host.example:80"})
    EXPECT_TRUE(check_address(good).ok()) << good;
  for (const auto* bad : {"", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "::1:7420", "a:-1", "a:999999"})
    EXPECT_EQ(check_address(bad).error().code, Errc::invalid_argument) << bad;
}

TEST(Connection, SignsInAndCalls) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  EXPECT_EQ(in.connection->hello()->server, "memory");
  EXPECT_EQ(in.connection->account()->login, "ana");
  EXPECT_EQ(in.connection->devices()->size(), 1u);
  EXPECT_EQ(in.drive->usage()->quota_bytes, 2u);
  const auto made = in.drive->commit_one(folder("a"));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(in.drive->stat({root_entry, "a"})->id, made->entry);
  EXPECT_EQ(in.drive->stat({root_entry, "b"}).error().code, Errc::not_found);
  EXPECT_EQ(in.drive->commit_one(folder("a")).error().code, Errc::already_exists);
}

TEST(Connection, ErrorsOfTheServerAreNotRetried) {
  MemoryServer server;
  server.start();
  auto connection = *Connection::open(server.options());
  EXPECT_EQ(connection->sign_in("ana", "wrong", "d", ClientId{1}).error().code, Errc::wrong_credentials);
  EXPECT_EQ(server.sign_ins, 1u);
  EXPECT_EQ(connection->account().error().code, Errc::permission_denied);
  EXPECT_EQ(connection->resume("other").error().code, Errc::unknown_token);
  EXPECT_TRUE(connection->resume("token").ok());
  EXPECT_TRUE(connection->account().ok());
}

TEST(Connection, WaitsForAServerThatIsNotThereYet) {
  MemoryServer server;
  server.start();  // to have a port
  server.stop();
  std::atomic<int> troubles = 0;
  auto options = server.options();
  std::promise<void> first_trouble;
  options.trouble = [&](const Error& error) {
    EXPECT_EQ(error.code, Errc::unavailable);
    if (troubles++ == 0) first_trouble.set_value();
  };
  auto signing = std::async(std::launch::async, [&] { return sign_in(options); });
  first_trouble.get_future().wait();
  server.start();
  const auto in = signing.get();
  EXPECT_EQ(in.token, "token");
  EXPECT_GE(troubles, 1);
}

TEST(Connection, GivesUpAfterTheDeadline) {
  MemoryServer server;
  server.start();
  server.stop();
  auto options = server.options();
  options.no_progress_deadline = 50ms;
  auto connection = *Connection::open(options);
  EXPECT_EQ(connection->hello().error().code, Errc::unavailable);
}

TEST(Connection, AnswerThatWasLostIsAskedForAgainAndTakesEffectOnce) {
  MemoryServer server;
  std::atomic<int> commits = 0;
  server.fate = [&](const std::string& method) {
    if (method != "commit") return Fate::answer;
    switch (commits++) {
      case 0: return Fate::lose_request;
      case 1: return Fate::lose_answer;
      case 2: return Fate::busy;
      default: return Fate::answer;
    }
  };
  server.start();
  auto in = sign_in(server);
  const auto made = in.drive->commit_one(folder("a"));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->outcome, Outcome::created);
  EXPECT_EQ(server.drive.commits_applied(), 1u);
  EXPECT_EQ(in.connection->stats().connects, 3u);
  EXPECT_EQ(server.sign_ins, 1u) << "the session is resumed by its token";
}

TEST(Connection, WhatMayHaveTakenEffectIsNotSentAgainWhereThatMatters) {
  MemoryServer server;
  std::atomic<int> asked = 0;
  server.fate = [&](const std::string& method) {
    if (method != "setPassword" && method != "signUp") return Fate::answer;
    ++asked;
    return Fate::lose_answer;
  };
  server.start();
  auto in = sign_in(server);
  EXPECT_EQ(in.connection->set_password("a", "b").error().code, Errc::unavailable);
  EXPECT_EQ(in.connection->sign_up("a", "b").error().code, Errc::unavailable);
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(in.drive->usage().ok());
}

TEST(Connection, AnExceptionOfATypeThatDoesNotExistIsOnlyAnError) {
  MemoryServer server;
  server.fate = [&](const std::string& method) { return method == "usage" ? Fate::hostile : Fate::answer; };
  server.start();
  auto in = sign_in(server);
  EXPECT_EQ(in.drive->usage().error().code, Errc::protocol);
  EXPECT_TRUE(in.drive->stat({}).ok());
}

TEST(Connection, ARevokedTokenEndsTheSession) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  EXPECT_TRUE(in.connection->revoke(ClientId{0}).ok());
  server.drop_connections();
  EXPECT_EQ(in.drive->usage().error().code, Errc::revoked_token);
  server.revoked = false;
  EXPECT_TRUE(in.connection->sign_in("ana", "password", "d", ClientId{7}).ok());
  EXPECT_TRUE(in.drive->usage().ok());
}

TEST(Connection, AStalledConnectionIsDroppedAndTheCallSentAgain) {
  MemoryServer server;
  std::atomic<int> asked = 0;
  server.fate = [&](const std::string& method) {
    return method == "usage" && asked++ == 0 ? Fate::hang : Fate::answer;
  };
  server.start();
  auto options = server.options();
  options.stall_timeout = 40ms;
  auto in = sign_in(options);
  EXPECT_TRUE(in.drive->usage().ok());
  EXPECT_EQ(asked, 2);
}

TEST(Connection, ManyThreadsCallWhileTheServerComesAndGoes) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  std::atomic<bool> running = true;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const auto name = std::to_string(t) + "." + std::to_string(i);
        const auto made = in.drive->commit_one(folder(name));
        failures += !made.ok() || made->outcome != Outcome::created;
        failures += !in.drive->stat({root_entry, name}).ok();
      }
    });
  std::thread chaos([&] { server.restart_every(40, running); });
  for (auto& thread : threads) thread.join();
  running = false;
  EXPECT_TRUE(in.drive->usage().ok());  // wakes it
  chaos.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(server.drive.commits_applied(), 400u);
}

TEST(Connection, ClosingEndsWaitingCalls) {
  MemoryServer server;
  server.fate = [](const std::string& method) { return method == "usage" ? Fate::hang : Fate::answer; };
  server.start();
  auto in = sign_in(server);
  const auto calls = server.calls.load();
  auto waiting = std::async(std::launch::async, [&] { return in.drive->usage(); });
  while (server.calls == calls) std::this_thread::yield();
  in.connection.reset();
  EXPECT_EQ(waiting.get().error().code, Errc::cancelled);
  EXPECT_EQ(in.drive->usage().error().code, Errc::cancelled);
}

TEST(Drive, ListsAllPages) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  for (int part = 0; part < 3; ++part) {
    std::vector<Change> changes;
    for (int i = 0; i < 800; ++i) changes.push_back(folder(std::to_string(part * 800 + i)));
    ASSERT_TRUE(in.drive->commit(std::move(changes)).ok());
  }
  const auto all = in.drive->list({});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 2'400u);
}

TEST(Drive, DownloadGoesOnAfterALostConnection) {
  MemoryServer server;
  std::atomic<int> pieces = 0;
  server.fate = [&](const std::string& method) {
    return method == "write" && ++pieces % 7 == 0 ? Fate::lose_request : Fate::answer;
  };
  server.start();
  auto in = sign_in(server);
  Bytes bytes(3'000'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i >> 8);
  const auto receipt = in.drive->put_block(sha256(bytes), bytes);
  ASSERT_TRUE(receipt.ok());
  Content content{bytes.size(), {}, {{sha256(bytes), static_cast<std::uint32_t>(bytes.size())}}};
  ASSERT_TRUE(in.drive->commit_one(PutFile{{}, "f", EntryKind::file, {}, content, {}}).ok());
  Bytes got;
  const auto size = in.drive->download({root_entry, "f"}, {}, 0, 0, [&](BytesView piece) -> Result<void> {
    got += piece;
    return {};
  });
  ASSERT_TRUE(size.ok()) << size.error().message;
  EXPECT_EQ(*size, bytes.size());
  EXPECT_EQ(got, bytes);
  EXPECT_GT(in.connection->stats().connects, 3u);

  got.clear();
  ASSERT_TRUE(in.drive->download({root_entry, "f"}, {}, 1'000'000, 5, [&](BytesView piece) -> Result<void> {
    got += piece;
    return {};
  }).ok());
  EXPECT_EQ(got, bytes.substr(1'000'000, 5));
  const auto stopped = in.drive->download({root_entry, "f"}, {}, 0, 0, [&](BytesView) -> Result<void> {
    return Error{Errc::io, "full"};
  });
  EXPECT_EQ(stopped.error().code, Errc::io);
}

TEST(Watch, TellsEachChangeOnceAcrossLostConnections) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  auto other = sign_in(server);
  auto watch = in.drive->watch(Cursor{0});
  std::vector<std::uint64_t> seen;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(other.drive->commit_one(folder(std::to_string(i))).ok());
    if (i % 10 == 5) server.drop_connections();
    if (i % 20 == 15) {
      server.stop();
      server.start();
    }
    while (seen.size() < static_cast<std::size_t>(i + 1)) {
      const auto page = watch->next(10s);
      ASSERT_TRUE(page.ok()) << page.error().message;
      ASSERT_TRUE(page->has_value());
      for (const auto& event : (*page)->events) seen.push_back(event.cursor.value);
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i + 1);
  EXPECT_FALSE(watch->next(1ms)->has_value());
  watch->stop();
  EXPECT_EQ(watch->next(1s).error().code, Errc::cancelled);
}

TEST(Watch, AnExpiredCursorIsTheLastAnswer) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  ASSERT_TRUE(in.drive->commit_one(folder("a")).ok());
  server.drive.expire_journal();
  auto watch = in.drive->watch(Cursor{0});
  EXPECT_EQ(watch->next(10s).error().code, Errc::cursor_expired);
}

TEST(Watch, ASlowReaderHoldsTheServerAndMissesNothing) {
  MemoryServer server;
  server.start();
  auto in = sign_in(server);
  auto watch = in.drive->watch(Cursor{0});
  for (int part = 0; part < 50; ++part) {
    std::vector<Change> changes;
    for (int i = 0; i < 30; ++i) changes.push_back(folder(std::to_string(part * 30 + i)));
    ASSERT_TRUE(in.drive->commit(std::move(changes)).ok());
  }
  std::uint64_t last = 0;
  while (last < 1'500) {
    const auto page = watch->next(10s);
    ASSERT_TRUE(page.ok() && page->has_value());
    for (const auto& event : (*page)->events) EXPECT_EQ(event.cursor.value, ++last);
  }
  watch.reset();
  while (server.watches != 0) {
    ASSERT_TRUE(in.drive->usage().ok());  // a round trip, so that the server has heard of the end
  }
}

}  // namespace
}  // namespace cairn::client
