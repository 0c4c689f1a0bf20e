// Starting, restarting, giving up and stopping, with children that fail when they are told to.
#include "actors/supervisor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "tests/actors/actor_fixture.hpp"

namespace cairn::actors::test {
namespace {

using Strings = std::vector<std::string>;

constexpr cluster::RestartLimits quick{5, 60'000ms, 2ms, 4ms};

// Tells of its end before those who monitor it hear of it, so that the order of events is that of the ends.
class IdleChild : public caf::event_based_actor {
 public:
  IdleChild(caf::actor_config& config, std::function<void()> ended)
      : caf::event_based_actor(config), ended_(std::move(ended)) {}
  caf::behavior make_behavior() override { return {[this](int) { quit(); }}; }
  void on_exit() override { ended_(); }

 private:
  std::function<void()> ended_;
};

class Supervisor : public ActorTest {
 protected:
  // A child that writes down its starts and stops; fails to start while told to.
  ChildSpec child(const std::string& name) {
    return {name, [this, name]() -> Result<caf::actor> {
              if (failing_[name].load() > 0) {
                --failing_[name];
                events_.add(name + " fails");
                return Error{Errc::io, "the disk is missing"};
              }
              const auto actor = system_.spawn<IdleChild>([this, name] { events_.add(name + " ends"); });
              {
                const std::lock_guard lock(mutex_);
                running_[name] = caf::actor_cast<caf::actor>(actor);
              }
              events_.add(name + " starts");
              return caf::actor_cast<caf::actor>(actor);
            }};
  }

  Result<bool> start(std::vector<ChildSpec> children, cluster::RestartLimits limits = quick) {
    Answered<bool> started;
    supervisor_ = system_.spawn<caf::detached>(supervisor, std::move(children), limits, started.reply());
    supervisor_->attach_functor([this](const caf::error& reason) {
      ended_.add(reason == escalated ? "escalated" : "stopped");
    });
    return started.get();
  }

  void crash(const std::string& name) {
    const std::lock_guard lock(mutex_);
    caf::anon_send_exit(running_.at(name), caf::exit_reason::unhandled_exception);
  }

  std::vector<ChildStatus> status() {
    Answered<std::vector<ChildStatus>> answered;
    caf::anon_send(supervisor_, GetChildren{answered.reply()});
    return answered.get().value();
  }

  bool happened(const std::string& event, int times) {
    return events_.wait([&](const Strings& all) { return std::count(all.begin(), all.end(), event) >= times; });
  }

  void stop() {
    caf::anon_send(supervisor_, StopAll{});
    EXPECT_TRUE(ended_.wait_count(1));
  }

  void TearDown() override {
    if (supervisor_) {
      // What it tells at its end comes after the actor system has counted it out.
      caf::anon_send(supervisor_, StopAll{});
      EXPECT_TRUE(ended_.wait_count(1));
    }
    supervisor_ = SupervisorActor{};
    system_.await_all_actors_done();
  }

  std::mutex mutex_;
  std::map<std::string, caf::actor> running_;
  std::map<std::string, std::atomic<int>> failing_;
  Events<std::string> events_;
  Events<std::string> ended_;
  SupervisorActor supervisor_;
};

TEST_F(Supervisor, StartsInOrderAndStopsInReverse) {
  ASSERT_TRUE(start({child("a"), child("b"), child("c")}));
  EXPECT_EQ(events_.all(), (Strings{"a starts", "b starts", "c starts"}));
  stop();
  EXPECT_EQ(events_.all(), (Strings{"a starts", "b starts", "c starts", "c ends", "b ends", "a ends"}));
  EXPECT_EQ(ended_.all(), Strings{"stopped"});
}

TEST_F(Supervisor, RestartsTheChildThatDiedAndNoOther) {
  ASSERT_TRUE(start({child("a"), child("b"), child("c")}));
  crash("b");
  ASSERT_TRUE(happened("b starts", 2));
  const auto children = status();
  ASSERT_EQ(children.size(), 3u);
  EXPECT_EQ(children[0].restarts, 0u);
  EXPECT_EQ(children[1].restarts, 1u);
  EXPECT_TRUE(children[1].running);
  EXPECT_NE(children[1].last_crash.find("crashed"), std::string::npos) << children[1].last_crash;
  EXPECT_EQ(children[2].restarts, 0u);
  stop();
  const auto all = events_.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), "a starts"), 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), "c starts"), 1);
}

TEST_F(Supervisor, WaitsBeforeARestart) {
  constexpr cluster::RestartLimits slow{5, 60'000ms, 200ms, 400ms};
  ASSERT_TRUE(start({child("a")}, slow));
  const auto before = std::chrono::steady_clock::now();
  crash("a");
  ASSERT_TRUE(happened("a starts", 2));
  EXPECT_GE(std::chrono::steady_clock::now() - before, 100ms);
}

TEST_F(Supervisor, EscalatesBeyondTheRestartsOfTheWindow) {
  ASSERT_TRUE(start({child("a"), child("b")}, {2, 60'000ms, 1ms, 1ms}));
  for (int start = 1; start <= 3; ++start) {
    ASSERT_TRUE(happened("b starts", start));
    crash("b");
  }
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_EQ(ended_.all(), Strings{"escalated"});
  EXPECT_TRUE(happened("a ends", 1)) << "the others are stopped first";
  const auto all = events_.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), "b starts"), 3);
}

TEST_F(Supervisor, ARestartByAnOperatorIsNoCrash) {
  ASSERT_TRUE(start({child("a")}, {0, 60'000ms, 1ms, 1ms}));
  caf::anon_send(supervisor_, RestartChild{"a"});
  ASSERT_TRUE(happened("a starts", 2));
  caf::anon_send(supervisor_, RestartChild{"a"});
  ASSERT_TRUE(happened("a starts", 3));
  const auto children = status();
  EXPECT_TRUE(children[0].running);
  EXPECT_EQ(children[0].restarts, 2u);
  EXPECT_EQ(children[0].last_crash, "");
  EXPECT_TRUE(ended_.all().empty());
}

TEST_F(Supervisor, UnknownNamesChangeNothing) {
  ASSERT_TRUE(start({child("a")}));
  caf::anon_send(supervisor_, RestartChild{"nobody"});
  caf::anon_send(supervisor_, StartChild{"nobody"});
  caf::anon_send(supervisor_, StartChild{"a"});
  EXPECT_EQ(status()[0].restarts, 0u);
  EXPECT_EQ(events_.all(), Strings{"a starts"});
}

TEST_F(Supervisor, AChildThatDoesNotStartAtFirstEndsThoseBeforeIt) {
  failing_["c"] = 1;
  const auto started = start({child("a"), child("b"), child("c"), child("d")});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::io);
  EXPECT_EQ(started.error().message, "c: the disk is missing");
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_EQ(events_.all(), (Strings{"a starts", "b starts", "c fails", "b ends", "a ends"}));
}

TEST_F(Supervisor, TheFirstChildMayFailToStart) {
  failing_["a"] = 1;
  ASSERT_FALSE(start({child("a"), child("b")}));
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_EQ(events_.all(), Strings{"a fails"});
}

TEST_F(Supervisor, ARestartThatFailsIsTriedAgain) {
  ASSERT_TRUE(start({child("a")}));
  failing_["a"] = 2;
  crash("a");
  ASSERT_TRUE(happened("a starts", 2));
  const auto children = status();
  EXPECT_EQ(children[0].restarts, 3u);
  EXPECT_NE(children[0].last_crash.find("the disk is missing"), std::string::npos);
}

TEST_F(Supervisor, RestartsThatKeepFailingEscalate) {
  ASSERT_TRUE(start({child("a"), child("b")}, {3, 60'000ms, 1ms, 1ms}));
  failing_["b"] = 1'000;
  crash("b");
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_EQ(ended_.all(), Strings{"escalated"});
  const auto all = events_.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), "b fails"), 3);
}

TEST_F(Supervisor, StopsWhileAChildWaitsForItsRestart) {
  constexpr cluster::RestartLimits slow{5, 60'000ms, 60'000ms, 60'000ms};
  ASSERT_TRUE(start({child("a"), child("b")}, slow));
  crash("b");
  ASSERT_TRUE(happened("b ends", 1));
  stop();
  EXPECT_EQ(events_.all(), (Strings{"a starts", "b starts", "b ends", "a ends"}));
}

TEST_F(Supervisor, AChildThatDiesWhileAllStopIsNotStartedAgain) {
  ASSERT_TRUE(start({child("a"), child("b"), child("c")}));
  crash("a");
  caf::anon_send(supervisor_, StopAll{});
  caf::anon_send(supervisor_, StopAll{});
  ASSERT_TRUE(ended_.wait_count(1));
  const auto all = events_.all();
  for (const auto* name : {"a", "b", "c"})
    EXPECT_EQ(std::count(all.begin(), all.end(), std::string(name) + " starts"),
              std::count(all.begin(), all.end(), std::string(name) + " ends"));
}

TEST_F(Supervisor, AnExitMessageStopsItsChildrenToo) {
  ASSERT_TRUE(start({child("a"), child("b")}));
  caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_EQ(events_.all(), (Strings{"a starts", "b starts", "b ends", "a ends"}));
}

TEST_F(Supervisor, ChildrenComeAndGo) {
  ASSERT_TRUE(start({child("first")}));
  caf::anon_send(supervisor_, AddChild{child("second")});
  caf::anon_send(supervisor_, AddChild{child("second")});
  ASSERT_TRUE(happened("second starts", 1));
  crash("second");
  ASSERT_TRUE(happened("second starts", 2)) << "it is restarted like the others";
  caf::anon_send(supervisor_, RemoveChild{"second", [this] { events_.add("second removed"); }});
  ASSERT_TRUE(happened("second removed", 1));
  EXPECT_TRUE(happened("second ends", 2));
  EXPECT_EQ(status().size(), 1u);
  caf::anon_send(supervisor_, RemoveChild{"second", [this] { events_.add("second removed"); }});
  ASSERT_TRUE(happened("second removed", 2)) << "who is not there is removed at once";
  stop();
}

TEST_F(Supervisor, AChildWhoseWorkIsDoneIsForgotten) {
  ASSERT_TRUE(start({child("first")}));
  auto second = child("second");
  second.may_end = true;
  caf::anon_send(supervisor_, AddChild{second});
  ASSERT_TRUE(happened("second starts", 1));
  {
    const std::lock_guard lock(mutex_);
    caf::anon_send(running_.at("second"), 1);
  }
  ASSERT_TRUE(happened("second ends", 1));
  auto third = child("third");
  third.start = [this]() -> Result<caf::actor> {
    events_.add("third asked");
    return Error{Errc::cancelled, "not any more"};
  };
  caf::anon_send(supervisor_, AddChild{third});
  ASSERT_TRUE(happened("third asked", 1));
  // It hears of an end a little after the child itself.
  const auto until = std::chrono::steady_clock::now() + patience;
  while (status().size() > 1 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(status().size(), 1u);
  stop();
}

TEST_F(Supervisor, OneThatIsToldToExitStopsItsChildrenFirst) {
  ASSERT_TRUE(start({child("first")}));
  caf::anon_send(supervisor_, AddChild{child("second")});
  ASSERT_TRUE(happened("second starts", 1));
  caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
  ASSERT_TRUE(ended_.wait_count(1));
  EXPECT_TRUE(happened("first ends", 1));
  EXPECT_TRUE(happened("second ends", 1));
}

TEST_F(Supervisor, StopsItsChildrenThoughNobodyHoldsIt) {
  // The child ends late: its supervisor waits for it with no reference left but its own.
  std::promise<void> may_end;
  ASSERT_TRUE(start({child("first"), ChildSpec{"slow", [this, &may_end]() -> Result<caf::actor> {
                       return caf::actor_cast<caf::actor>(system_.spawn<IdleChild, caf::detached>([this, &may_end] {
                         may_end.get_future().wait();
                         events_.add("slow ends");
                       }));
                     }}}));
  caf::anon_send(std::exchange(supervisor_, SupervisorActor{}), StopAll{});
  may_end.set_value();
  EXPECT_TRUE(happened("slow ends", 1));
  EXPECT_TRUE(happened("first ends", 1));
  EXPECT_TRUE(ended_.wait_count(1));
}

}  // namespace
}  // namespace cairn::actors::test
