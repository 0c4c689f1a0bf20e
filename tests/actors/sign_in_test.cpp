// The door against a shard that the test plays: what a session that it opens has seen.
#include "actors/sign_in.hpp"

#include <caf/typed_event_based_actor.hpp>

#include "tests/actors/fake_replica.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

constexpr AccountId account{7};

class DoorTest : public ActorTest {
 protected:
  void SetUp() override {
    keys_ = storage::KeyRing::open_or_create(folder_ / "keys").value();
    shard_->asked = [this](const Ask& ask) { asked_.add(ask); };
    shard_->query = [](const cluster::Query& query) -> cluster::QueryResult {
      if (std::holds_alternative<cluster::CheckToken>(query)) return cluster::TokenFound{ClientId{3}, "laptop", "ada"};
      if (std::holds_alternative<cluster::FindLogin>(query)) return cluster::LoginFound{account, "hash"};
      return Usage{1, 2, 3};
    };
    shard_->command = [](const cluster::Command&) -> cluster::CommandResult { return cluster::Done{}; };
    routes_->set_shard(system_.spawn(fake_replica, shard_));
    door_ = system_.spawn(sign_in, cluster::Config::Accounts{}, keys_, routes_);
    routes_->set_sign_in(door_);
    passwords_ = system_.spawn(
        [](PasswordActor::pointer, bool right) -> PasswordActor::behavior_type {
          return {[](const HashPassword& message) { message.reply(std::string("hash")); },
                  [right](const CheckPassword& message) { message.reply(right); }};
        },
        true);
    routes_->set_password(0, passwords_);
  }

  void TearDown() override {
    caf::anon_send_exit(door_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(passwords_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(routes_->shard(), caf::exit_reason::user_shutdown);
    routes_->set_sign_in({});
    routes_->set_shard({});
    routes_->set_password(0, {});
    door_ = SignInActor{};
    passwords_ = PasswordActor{};
    system_.await_all_actors_done();
  }

  // What the first read of the session is asked like.
  Ask first_read(const SignedIn& opened) {
    Answered<cluster::QueryResult> usage;
    caf::anon_send(opened.session, SessionQuery{cluster::GetUsage{account}, usage.reply()});
    EXPECT_TRUE(usage.get());
    return asked_.all().back();
  }

  ::cairn::test::TempDir folder_;
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  Events<Ask> asked_;
  SignInActor door_;
  PasswordActor passwords_;
};

TEST_F(DoorTest, AResumedSessionReadsNoOlderThanItsTokenWasChecked) {
  shard_->index = 31;
  Answered<SignedIn> answered;
  caf::anon_send(door_, ResumeRequest{Token{account, {}}.text(), answered.reply()});
  const auto opened = answered.get();
  ASSERT_TRUE(opened);
  EXPECT_TRUE(asked_.all()[0].linearizable) << "whatever was acknowledged before, on any node";
  const auto read = first_read(*opened);
  EXPECT_FALSE(read.linearizable);
  EXPECT_EQ(read.floor, 31u);
}

TEST_F(DoorTest, ASignedInSessionReadsNoOlderThanItsTokenWasIssued) {
  shard_->index = 40;
  Answered<SignedIn> answered;
  caf::anon_send(door_, SignInRequest{"ada", "password", "laptop", ClientId{3}, "::1", answered.reply()});
  const auto opened = answered.get();
  ASSERT_TRUE(opened);
  EXPECT_TRUE(asked_.all()[0].linearizable) << "a login that was just made is found";
  EXPECT_EQ(first_read(*opened).floor, 40u);
}

}  // namespace
}  // namespace cairn::actors::test
