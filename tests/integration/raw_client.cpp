#include "tests/integration/raw_client.hpp"

#include "protocol/digest.hpp"
#include "protocol/model_capnp.hpp"

namespace cairn::test {
namespace {

kj::Own<kj::AsyncIoStream> connect_to(kj::AsyncIoContext& io, const std::string& address) {
  auto& network = io.provider->getNetwork();
  return network.parseAddress(address.c_str()).then([](kj::Own<kj::NetworkAddress> to) {
    auto connected = to->connect();
    return connected.attach(kj::mv(to));
  }).wait(io.waitScope);
}

}  // namespace

RawClient::RawClient(kj::AsyncIoContext& context, const std::string& address)
    : io(context),
      stream(connect_to(io, address)),
      rpc(kj::heap<capnp::TwoPartyClient>(*stream)),
      cairn(rpc->bootstrap().castAs<rpc::Cairn>()) {}

Result<void> RawClient::sign_up(const std::string& login, const std::string& password) {
  auto request = cairn.signUpRequest();
  request.setLogin(login.c_str());
  request.setPassword(password.c_str());
  return done(io, request.send());
}

Result<std::string> RawClient::sign_in(const std::string& login, std::uint64_t id, const std::string& password) {
  auto request = cairn.signInRequest();
  request.setLogin(login.c_str());
  request.setPassword(password.c_str());
  request.setDevice("test");
  request.setClientId(id);
  client_id = id;
  return outcome<std::string>(io, request.send().then([this](auto&& response) {
    auto opened = response.getSession();
    drive_ = opened.driveRequest().send().getDrive();
    session = opened;
    return std::string(response.getToken().cStr());
  }));
}

Result<void> RawClient::resume(const std::string& token) {
  auto request = cairn.resumeRequest();
  request.setToken(token.c_str());
  const auto resumed = outcome<bool>(io, request.send().then([this](auto&& response) {
    auto opened = response.getSession();
    drive_ = opened.driveRequest().send().getDrive();
    session = opened;
    return true;
  }));
  if (!resumed) return resumed.error();
  return {};
}

Result<CommitResult> RawClient::commit(std::size_t changes,
                                       const std::function<void(capnp::List<rpc::Change>::Builder)>& fill,
                                       const std::vector<Receipt>& receipts) {
  auto request = drive().commitRequest();
  auto commit = request.initCommit();
  commit.setClientId(client_id);
  commit.setSequence(++sequence);
  commit.setAcknowledged(sequence - 1);
  fill(commit.initChanges(changes));
  auto proofs = commit.initReceipts(receipts.size());
  for (std::size_t i = 0; i < receipts.size(); ++i) to_capnp(receipts[i], proofs[i]);
  return outcome<CommitResult>(io, request.send().then([](auto&& response) {
    CommitResult result;
    for (const auto one : response.getResults()) result.results.push_back(from_capnp(one));
    result.cursor = Cursor{response.getCursor()};
    return result;
  }));
}

Result<ChangeResult> RawClient::change(const std::function<void(rpc::Change::Builder)>& fill,
                                       const std::vector<Receipt>& receipts) {
  auto result = commit(1, [&](auto changes) { fill(changes[0]); }, receipts);
  if (!result) return result.error();
  auto& first = result->results.at(0);
  if (first.error) return *first.error;
  return first;
}

Result<ChangeResult> RawClient::make_folder(const std::string& name, const std::string& parent) {
  return change([&](rpc::Change::Builder out) {
    to_capnp(Change{MakeFolder{{root_entry, parent}, name, {0755, 1}}}, out);
  });
}

Result<ChangeResult> RawClient::put_inline(const std::string& name, const std::string& bytes) {
  PutFile put{{}, name, EntryKind::file, {}, {bytes.size(), bytes, {}}, {0644, 1}};
  return change([&](rpc::Change::Builder out) { to_capnp(Change{std::move(put)}, out); });
}

Result<Receipt> RawClient::put_block(BytesView id, BytesView bytes) {
  auto request = drive().putBlockRequest();
  request.setId({reinterpret_cast<const kj::byte*>(id.data()), id.size()});
  request.setBytes({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
  return outcome<Receipt>(io, request.send().then([](auto&& response) {
    return from_capnp(response.getReceipt(), AccountId{}).value();
  }));
}

Result<ChangeResult> RawClient::put_block_file(const std::string& name, const std::string& bytes) {
  const auto id = sha256(bytes);
  const auto receipt = put_block(id.view(), bytes);
  if (!receipt) return receipt.error();
  PutFile put{{}, name, EntryKind::file, {}, {bytes.size(), {}, {{id, static_cast<std::uint32_t>(bytes.size())}}},
              {0644, 1}};
  return change([&](rpc::Change::Builder out) { to_capnp(Change{std::move(put)}, out); }, {*receipt});
}

Usage RawClient::usage() {
  const auto found = outcome<Usage>(
      io, drive().usageRequest().send().then([](auto&& response) { return from_capnp(response.getUsage()); }));
  EXPECT_TRUE(found) << (found ? "" : found.error().message);
  return found ? *found : Usage{};
}

std::uint64_t RawClient::cursor() {
  std::uint64_t at = 0;
  for (bool more = true; more;) {
    auto request = drive().changesRequest();
    request.setCursor(at);
    request.setLimit(1'000);
    const auto page = outcome<ChangePage>(
        io, request.send().then([](auto&& response) { return from_capnp(response.getPage()).value(); }));
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    if (!page) return 0;
    at = page->cursor.value;
    more = page->more;
  }
  return at;
}

cluster::Config RawNode::quick_config() {
  cluster::Config quick;
  quick.rpc.listen = "127.0.0.1:0";
  quick.accounts.password_cost = {1, 64u << 10};
  quick.metadata.reserve_bytes = 0;
  quick.blocks.reserve_bytes = 0;
  quick.blocks.segment_bytes = 64u << 20;
  quick.supervision.backoff_first = std::chrono::milliseconds{1};
  return quick;
}

void RawNode::start() {
  config.node.data = folder / "data";
  auto started = actors::Node::start(config);
  ASSERT_TRUE(started) << started.error().message;
  node = std::move(*started);
}

void RawNode::TearDown() {
  if (!node) return;
  const auto before = std::chrono::steady_clock::now();
  node->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds{2}) << "stopping takes too long";
  EXPECT_FALSE(node->failed());
}

std::shared_ptr<RawClient> RawNode::sign_in(const std::string& login, std::uint64_t client_id) {
  auto client = connect();
  const auto made = client->sign_up(login);
  EXPECT_TRUE(made || made.error().code == Errc::already_exists) << made.error().message;
  const auto token = client->sign_in(login, client_id);
  EXPECT_TRUE(token) << token.error().message;
  return client;
}

kj::Own<kj::AsyncIoStream> RawNode::connect_socket() { return connect_to(io, node->rpc_address()); }

void RawNode::expect_serving() {
  const auto client = sign_in("witness", 77'000 + ++served_);
  const auto made = client->make_folder("served " + std::to_string(served_));
  EXPECT_TRUE(made) << made.error().message;
}

bool RawNode::run_until(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS).wait(io.waitScope);
  }
  return true;
}

DriveState state_of(RawClient& client) {
  const auto usage = client.usage();
  return {usage.used_bytes, usage.entries, client.cursor()};
}

}  // namespace cairn::test
