// The same RequestId sent again, over other connections and to a restarted server: one effect, one answer. Speaks
// the schema itself, since the client library would never send a changed request twice.
#include <capnp/ez-rpc.h>
#include <gtest/gtest.h>

#include "protocol/error.hpp"
#include "protocol/files.capnp.h"
#include "tests/integration/cluster_of_one.hpp"

namespace cairn::test {
namespace {

constexpr std::uint64_t client_id = 0x1234'5678'9abc'def0;

/// What one change of a commit came to.
struct Answer {
  std::uint16_t error = 0;
  std::uint8_t outcome = 0;
  std::uint64_t entry = 0;
  std::uint64_t cursor = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

/// One connection with a session on it.
class RawSession {
 public:
  RawSession(const std::string& address, std::string& token) : client_(address.c_str()) {
    auto cairn = client_.getMain<rpc::Cairn>();
    auto& scope = client_.getWaitScope();
    if (!token.empty()) {
      auto request = cairn.resumeRequest();
      request.setToken(token);
      drive_ = drive_of(request.send().wait(scope).getSession());
      return;
    }
    auto sign_up = cairn.signUpRequest();
    sign_up.setLogin("raw");
    sign_up.setPassword("long enough");
    sign_up.send().wait(scope);
    auto sign_in = cairn.signInRequest();
    sign_in.setLogin("raw");
    sign_in.setPassword("long enough");
    sign_in.setDevice("test");
    sign_in.setClientId(client_id);
    auto answer = sign_in.send().wait(scope);
    token = answer.getToken().cStr();
    drive_ = drive_of(answer.getSession());
  }

  auto send(std::uint64_t sequence, const std::string& folder_name) {
    auto request = KJ_ASSERT_NONNULL(drive_).commitRequest();
    auto commit = request.initCommit();
    commit.setClientId(client_id);
    commit.setSequence(sequence);
    auto folder = commit.initChanges(1)[0].initMakeFolder();
    folder.initParent();
    folder.setName(folder_name);
    folder.initAttributes().setMode(0755);
    return request.send();
  }

  Answer commit(std::uint64_t sequence, const std::string& folder_name) {
    auto answer = send(sequence, folder_name).wait(client_.getWaitScope());
    const auto result = answer.getResults()[0];
    return {result.getError(), result.getOutcome(), result.getEntry(), answer.getCursor()};
  }

  std::size_t count_entries() {
    auto request = KJ_ASSERT_NONNULL(drive_).listRequest();
    request.initFolder();
    request.setLimit(1'000);
    return request.send().wait(client_.getWaitScope()).getPage().getEntries().size();
  }

  /// Gives what was sent to the network.
  void flush() { client_.getWaitScope().poll(); }

 private:
  rpc::Drive::Client drive_of(rpc::Session::Client session) {
    return session.driveRequest().send().wait(client_.getWaitScope()).getDrive();
  }

  capnp::EzRpcClient client_;
  kj::Maybe<rpc::Drive::Client> drive_;
};

TEST(RetryOnce, TheSameRequestHasOneEffectAndOneAnswer) {
  Server server;
  std::string token;
  Answer first;
  {
    RawSession session(server.address(), token);
    first = session.commit(1, "once");
    EXPECT_EQ(first.error, 0);
    EXPECT_EQ(session.commit(1, "once"), first);
    // The number is what counts: the server has an answer for it.
    EXPECT_EQ(session.commit(1, "another name"), first);
    EXPECT_EQ(session.commit(2, "once").error, static_cast<std::uint16_t>(Errc::already_exists));
  }
  EXPECT_EQ(RawSession(server.address(), token).commit(1, "once"), first) << "over another connection";
  for (int restart = 0; restart < 2; ++restart) {
    server.kill();
    server.start();
    RawSession session(server.address(), token);
    EXPECT_EQ(session.commit(1, "once"), first) << "after a restart";
    EXPECT_EQ(session.commit(2, "once").error, static_cast<std::uint16_t>(Errc::already_exists));
    EXPECT_EQ(session.count_entries(), 1u);
  }
  server.stop();
  server.start();
  EXPECT_EQ(RawSession(server.address(), token).commit(1, "once"), first) << "after an orderly stop";
}

TEST(RetryOnce, AnAnswerLostToAKillIsGivenAgain) {
  Server server;
  std::string token;
  { RawSession session(server.address(), token); }
  constexpr std::uint64_t rounds = 12;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const auto name = "folder" + std::to_string(round);
    {
      RawSession session(server.address(), token);
      // Killed with the commit on its way, taken, or answered: nobody can know which.
      const auto unanswered = session.send(round, name);
      session.flush();
      server.kill();
    }
    server.start();
    RawSession session(server.address(), token);
    const auto answer = session.commit(round, name);
    EXPECT_EQ(answer.error, 0) << name;
    EXPECT_EQ(answer.cursor, round) << "one step of the journal for each";
    EXPECT_EQ(session.commit(round, name), answer);
    EXPECT_EQ(session.count_entries(), round);
  }
}

}  // namespace
}  // namespace cairn::test
