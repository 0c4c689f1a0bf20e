// Accounts, tokens and passwords as the metadata machine keeps them.
#include "protocol/limits.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

std::string hash_of(const std::string& secret) { return std::string(sha256(secret).view()); }

class Accounts : public testing::Test {
 protected:
  void TearDown() override { shard.expect_sound(); }
  CommandResult issue(std::uint64_t client, const std::string& secret) {
    return shard.run(IssueToken{shard.account, ClientId{client}, "device " + std::to_string(client), hash_of(secret)});
  }
  std::optional<Errc> token_error(const std::string& secret) {
    return shard.error_of(CheckToken{shard.account, hash_of(secret)});
  }
  Shard shard;
};

TEST_F(Accounts, AreMadeOnceInTheSlotOfTheirLogin) {
  const auto ada = shard.make_account("ada");
  EXPECT_EQ(slot_of(ada), slot_of_login("ada"));
  EXPECT_EQ(ordinal_of(ada), 1u);
  EXPECT_EQ(error_code(shard.run(CreateAccount{"ada", "other", 1})), Errc::already_exists);
  const auto found = shard.get<LoginFound>(FindLogin{"ada"});
  EXPECT_EQ(found.account, ada);
  EXPECT_EQ(found.password_hash, "hash");
  EXPECT_EQ(shard.error_of(FindLogin{"bob"}), Errc::not_found);
  EXPECT_EQ(shard.error_of(FindLogin{""}), Errc::not_found);
  EXPECT_EQ(shard.error_of(FindLogin{std::string(10'000, 'x')}), Errc::not_found);
}

TEST_F(Accounts, OfOneSlotHaveOrdinals) {
  const auto first = shard.make_account("user 0");
  for (int i = 1;; ++i) {
    const auto login = "user " + std::to_string(i);
    if (slot_of_login(login) != slot_of(first)) continue;
    EXPECT_EQ(shard.make_account(login), make_account_id(slot_of(first), 2));
    break;
  }
  EXPECT_NE(shard.make_account("ada"), first);
}

TEST_F(Accounts, RefuseLoginsThatAreNone) {
  for (const std::string& login : {std::string(), std::string("a/b"), std::string("a\nb"), std::string("\xff"),
                                   std::string(200, 'x'), std::string("e\xcc\x81")})
    EXPECT_EQ(error_code(shard.run(CreateAccount{login, "hash", 1})), Errc::invalid_argument);
  EXPECT_TRUE(shard.rows.rows.empty());
}

TEST_F(Accounts, TokensAreIssuedReplacedAndRevoked) {
  shard.make_account("ada");
  EXPECT_EQ(token_error("s1"), Errc::unknown_token);
  EXPECT_EQ(error_code(issue(1, "s1")), std::nullopt);
  const auto found = shard.get<TokenFound>(CheckToken{shard.account, hash_of("s1")});
  EXPECT_EQ(found.client, ClientId{1});
  EXPECT_EQ(found.device, "device 1");
  EXPECT_EQ(found.login, "ada");

  EXPECT_EQ(error_code(issue(1, "s1 again")), std::nullopt);
  EXPECT_EQ(token_error("s1"), Errc::unknown_token);
  EXPECT_EQ(token_error("s1 again"), std::nullopt);

  EXPECT_EQ(error_code(shard.run(RevokeToken{shard.account, ClientId{1}})), std::nullopt);
  EXPECT_EQ(token_error("s1 again"), Errc::revoked_token);
  EXPECT_EQ(error_code(shard.run(RevokeToken{shard.account, ClientId{1}})), std::nullopt);
  EXPECT_EQ(error_code(shard.run(RevokeToken{shard.account, ClientId{2}})), Errc::not_found);
  const auto devices = shard.get<Devices>(ListDevices{shard.account}).devices;
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_TRUE(devices[0].revoked);
  EXPECT_EQ(devices[0].signed_in, Timestamp{shard.now});
  // Signing in again gives the device a token that is good.
  issue(1, "s2");
  EXPECT_EQ(token_error("s2"), std::nullopt);
}

TEST_F(Accounts, TokenRefusals) {
  shard.make_account("ada");
  EXPECT_EQ(error_code(issue(0, "s")), Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.run(IssueToken{shard.account, ClientId{1}, "d", "short"})), Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.run(IssueToken{shard.account, ClientId{1}, std::string(129, 'd'), hash_of("s")})),
            Errc::too_large);
  EXPECT_EQ(error_code(shard.run(IssueToken{AccountId{9}, ClientId{1}, "d", hash_of("s")})), Errc::not_found);
  issue(1, "s");
  EXPECT_EQ(error_code(issue(2, "s")), Errc::invalid_argument);
  EXPECT_EQ(shard.error_of(CheckToken{shard.account, "short"}), Errc::unknown_token);
  EXPECT_EQ(shard.error_of(CheckToken{AccountId{9}, hash_of("s")}), Errc::unknown_token);
  const auto ada = shard.account;
  shard.make_account("bob");
  EXPECT_EQ(token_error("s"), Errc::unknown_token);
  EXPECT_EQ(shard.error_of(CheckToken{ada, hash_of("s")}), std::nullopt);
}

TEST_F(Accounts, OldestTokenGoesBeyondTheLimit) {
  shard.make_account("ada");
  for (std::uint64_t client = 1; client <= limits::max_tokens_per_account + 1; ++client) {
    shard.now += client == 1 ? 1'000 : -1;  // the last one signed in has the oldest clock
    issue(client, "s" + std::to_string(client));
  }
  EXPECT_EQ(shard.get<Devices>(ListDevices{shard.account}).devices.size(), limits::max_tokens_per_account);
  EXPECT_EQ(token_error("s" + std::to_string(limits::max_tokens_per_account)), Errc::unknown_token);
  EXPECT_EQ(token_error("s1"), std::nullopt);
  EXPECT_EQ(token_error("s" + std::to_string(limits::max_tokens_per_account + 1)), std::nullopt);
}

TEST_F(Accounts, NewPasswordRevokesTheOtherTokens) {
  shard.make_account("ada");
  for (std::uint64_t client = 1; client <= 3; ++client) issue(client, "s" + std::to_string(client));
  EXPECT_EQ(error_code(shard.run(SetPassword{shard.account, "new hash", ClientId{2}, "hash"})), std::nullopt);
  EXPECT_EQ(shard.get<LoginFound>(FindLogin{"ada"}).password_hash, "new hash");
  EXPECT_EQ(token_error("s1"), Errc::revoked_token);
  EXPECT_EQ(token_error("s2"), std::nullopt);
  EXPECT_EQ(token_error("s3"), Errc::revoked_token);
  EXPECT_EQ(error_code(shard.run(SetPassword{AccountId{9}, "x", ClientId{0}, "hash"})), Errc::not_found);
  EXPECT_EQ(error_code(shard.run(SetQuota{AccountId{9}, 1})), Errc::not_found);
}

// What a router does that does not know what came of a command: it proposes it again.
TEST_F(Accounts, AnAccountThatIsMadeAgainByTheSameRequestIsTheSame) {
  const auto ada = shard.make_account("ada");
  const auto rows = shard.rows.rows;
  shard.now += 1'000;
  const auto again = shard.run(CreateAccount{"ada", "hash", std::uint64_t{1} << 40});
  ASSERT_TRUE(std::holds_alternative<AccountCreated>(again));
  EXPECT_EQ(std::get<AccountCreated>(again).account, ada);
  EXPECT_EQ(shard.rows.rows, rows) << "nothing changed";
  EXPECT_EQ(error_code(shard.run(CreateAccount{"ada", "another salt", 1})), Errc::already_exists);
  shard.run(SetPassword{ada, "new hash", {}, "hash"});
  EXPECT_EQ(error_code(shard.run(CreateAccount{"ada", "hash", 1})), Errc::already_exists);
}

TEST_F(Accounts, ATokenThatIsIssuedAgainByTheSameRequestIsTheSame) {
  shard.make_account("ada");
  issue(1, "s1");
  const auto rows = shard.rows.rows;
  shard.now += 1'000;
  EXPECT_EQ(error_code(issue(1, "s1")), std::nullopt);
  EXPECT_EQ(shard.rows.rows, rows) << "nothing changed";
  shard.run(RevokeToken{shard.account, ClientId{1}});
  EXPECT_EQ(error_code(issue(1, "s1")), std::nullopt);
  EXPECT_EQ(token_error("s1"), Errc::revoked_token) << "a late repetition makes nothing good again";
}

TEST_F(Accounts, RevokingAndSettingThePasswordAgainChangesNothing) {
  shard.make_account("ada");
  for (std::uint64_t client = 1; client <= 3; ++client) issue(client, "s" + std::to_string(client));
  EXPECT_EQ(error_code(shard.run(RevokeToken{shard.account, ClientId{1}})), std::nullopt);
  auto rows = shard.rows.rows;
  EXPECT_EQ(error_code(shard.run(RevokeToken{shard.account, ClientId{1}})), std::nullopt);
  EXPECT_EQ(shard.rows.rows, rows);
  EXPECT_EQ(error_code(shard.run(SetPassword{shard.account, "new", ClientId{2}, "hash"})), std::nullopt);
  rows = shard.rows.rows;
  EXPECT_EQ(error_code(shard.run(SetPassword{shard.account, "new", ClientId{2}, "hash"})), std::nullopt);
  EXPECT_EQ(shard.rows.rows, rows);
}

TEST_F(Accounts, APasswordThatWasOvertakenChangesNothing) {
  shard.make_account("ada");
  issue(1, "s1");
  shard.run(SetPassword{shard.account, "second", ClientId{1}, "hash"});
  const auto rows = shard.rows.rows;
  EXPECT_EQ(error_code(shard.run(SetPassword{shard.account, "late", ClientId{2}, "hash"})), Errc::conflict);
  EXPECT_EQ(shard.rows.rows, rows);
  EXPECT_EQ(error_code(shard.run(SetPassword{shard.account, "third", ClientId{1}, "second"})), std::nullopt);
}

TEST_F(Accounts, CommandsKnowTheirSlot) {
  const auto ada = shard.make_account("ada");
  EXPECT_EQ(slot_of(Command{{}, CreateAccount{"ada", "", 0}}), slot_of(ada));
  EXPECT_EQ(slot_of(Command{{}, SetQuota{ada, 0}}), slot_of(ada));
  EXPECT_EQ(slot_of(Command{{}, CommitChanges{ada, {}, 0, "", {}, {}}}), slot_of(ada));
  EXPECT_EQ(slot_of(Command{{}, Tick{}}), std::nullopt);
}

}  // namespace
}  // namespace cairn::cluster
