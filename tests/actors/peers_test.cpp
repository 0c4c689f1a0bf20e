// Calls of another node by a real link, and the frames in which their answers go back.
#include "actors/peers.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>

#include "tests/actors/fake_replica.hpp"
#include "tests/actors/link_fixture.hpp"

namespace cairn::actors::test {
namespace {

using cluster::directory::ShardId;

class PeersTest : public LinkTest {
 protected:
  // Node b has a replica of shard 2 that hands its requests to `remote_`; node a is a bare end of a link.
  PeersTest() {
    const auto behave = [](ReplicaActor::pointer, std::shared_ptr<std::function<void(const RemoteRequests&)>> remote) {
      return replica_with([](const Propose&) { return Answer{}; }, [](const Ask&) { return Answer{}; },
                          [](const ChangeGroup&) {}, [](const GetReplica&) {},
                          [remote](const RemoteRequests& message) { (*remote)(message); });
    };
    replica_ = system_.spawn(behave, remote_);
    routes_->set_replica(ShardId{2}, replica_);
    b_ = Peers::start(options("b"), routes_).value();
    a_ = start("a");
    EXPECT_TRUE(b_->set_peers({{"a", {a_.links->address(), false}}}));
    EXPECT_TRUE(a_.links->set_peers({{"b", {b_->address()}}}));
    EXPECT_TRUE(a_.seen->wait(LinkEvent::up));
  }
  ~PeersTest() override {
    a_.links->stop();
    b_->stop();
    routes_->set_replica(ShardId{2}, {});
    caf::anon_send_exit(replica_, caf::exit_reason::user_shutdown);
    replica_ = ReplicaActor{};
    system_.await_all_actors_done();
  }

  void call(std::uint64_t count, std::uint32_t shard, bool relay = false, std::uint64_t first = 1) {
    Writer frame;
    for (std::uint64_t i = 0; i < count; ++i)
      append_call(frame, first + i, Propose{{}, "command"}, ShardId{shard}, relay);
    ASSERT_TRUE(a_.links->send("b", static_cast<std::uint8_t>(Channel::call), frame.take()));
  }
  // Waits for so many answers; by number.
  std::map<std::uint64_t, Answer> answers(std::size_t count) {
    std::map<std::uint64_t, Answer> out;
    EXPECT_TRUE(a_.seen->frames.wait([&](const auto& frames) {
      out.clear();
      std::size_t all = 0;
      for (const auto& frame : frames)
        for (auto& one : decode_answers(frame.frame).value()) {
          ++all;
          out[one.number] = std::move(one.answer);
        }
      EXPECT_EQ(out.size(), all) << "one is answered twice";
      return all >= count;
    }));
    return out;
  }

  TestSystemConfig config_;
  caf::actor_system system_{config_};
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<std::function<void(const RemoteRequests&)>> remote_ =
      std::make_shared<std::function<void(const RemoteRequests&)>>();
  ReplicaActor replica_;
  std::shared_ptr<Peers> b_;
  End a_;
};

TEST_F(PeersTest, ManyAnswersShareFramesOfBoundedSize) {
  *remote_ = [](const RemoteRequests& message) {
    std::shared_ptr<AnswerSink> sink;
    for (auto& [request, asker] : *message.all) sink = asker.put({Bytes(200, 'r'), Served::done, 5, 0});
    sink->flush();
  };
  call(1'000, 2);
  const auto all = answers(1'000);
  ASSERT_EQ(all.size(), 1'000u);
  for (const auto& [number, answer] : all) EXPECT_EQ(answer.result.size(), 200u) << number;
  const auto frames = a_.seen->frames.all();
  EXPECT_LE(frames.size(), 1'000u * 300 / limits::call_frame_bytes);
  for (const auto& frame : frames) EXPECT_LE(frame.frame.size(), limits::call_frame_bytes);
}

TEST_F(PeersTest, ALargeAnswerKeepsNoSmallOneWaiting) {
  *remote_ = [](const RemoteRequests& message) {
    std::shared_ptr<AnswerSink> sink;
    for (auto& [request, asker] : *message.all)
      sink = asker.put({Bytes(std::get<Propose>(request).command == "command" ? 10 : 2 * bulk_bytes, 'r'),
                        Served::done, 5, 0});
    sink->flush();
  };
  Writer frame;
  for (const auto* command : {"command", "large", "command"})
    append_call(frame, frame.view().size() + 1, Propose{{}, command}, ShardId{2}, false);
  ASSERT_TRUE(a_.links->send("b", static_cast<std::uint8_t>(Channel::call), frame.take()));
  answers(3);
  for (const auto& came : a_.seen->frames.all()) {
    const auto in_it = decode_answers(came.frame).value();
    if (came.channel == static_cast<std::uint8_t>(Channel::answer_bulk)) {
      ASSERT_EQ(in_it.size(), 1u);
      EXPECT_EQ(in_it[0].answer.result.size(), 2 * bulk_bytes);
    } else {
      EXPECT_EQ(in_it.size(), 2u);
    }
  }
  EXPECT_EQ(a_.seen->frames.all().size(), 2u);
}

TEST_F(PeersTest, WhoIsAskedInVainIsToldSo) {
  *remote_ = [](const RemoteRequests&) {};  // it forgets them
  call(3, 2);
  for (const auto& [number, answer] : answers(3)) EXPECT_EQ(answer.served, Served::unknown) << number;
}

TEST_F(PeersTest, AShardThatIsNotHereIsToldSo) {
  call(3, 7);
  for (const auto& [number, answer] : answers(3)) EXPECT_EQ(answer.served, Served::not_here) << number;
  EXPECT_EQ(a_.seen->frames.all().size(), 1u);
}

TEST_F(PeersTest, TheLinksReadOnWhileManyCallsAreAnswered) {
  Events<int> begun, let_go;
  *remote_ = [&](const RemoteRequests& message) {
    begun.add(1);
    let_go.wait_count(1);
    std::shared_ptr<AnswerSink> sink;
    for (auto& [request, asker] : *message.all) sink = asker.put({"done", Served::done, 5, 0});
    sink->flush();
  };
  constexpr auto many = limits::link_inline_calls + 1;
  call(many, 2);
  ASSERT_TRUE(begun.wait_count(1));
  call(1, 7, false, many + 1);
  EXPECT_EQ(answers(1).at(many + 1).served, Served::not_here);
  let_go.add(1);
  answers(many + 1);
}

TEST_F(PeersTest, WithoutARouterNothingIsRelayed) {
  call(3, 2, true);
  for (const auto& [number, answer] : answers(3)) EXPECT_EQ(answer.served, Served::not_here) << number;
  EXPECT_EQ(a_.seen->frames.all().size(), 1u);
}

TEST_F(PeersTest, AFrameThatIsNoneHarmsNobody) {
  ASSERT_TRUE(a_.links->send("b", static_cast<std::uint8_t>(Channel::call), "no calls"));
  ASSERT_TRUE(a_.links->send("b", static_cast<std::uint8_t>(Channel::answer), "no answers"));
  call(1, 7);
  EXPECT_EQ(answers(1).size(), 1u);
}

}  // namespace
}  // namespace cairn::actors::test
