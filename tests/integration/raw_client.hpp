// A node in the test's own process, and clients that speak files.capnp to it without the client library, so
// that they can say what a good client never would. Main thread of the test.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>

#include "actors/node.hpp"
#include "protocol/files.capnp.h"
#include "protocol/model.hpp"
#include "protocol/rpc_errors.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::test {

/// Waits for `promise` at most the test's patience; what it fails with as an Error.
template <class T>
Result<T> outcome(kj::AsyncIoContext& io, kj::Promise<T> promise, kj::Duration bound = 20 * kj::SECONDS) {
  try {
    return io.provider->getTimer().timeoutAfter(bound, kj::mv(promise)).wait(io.waitScope);
  } catch (kj::Exception& exception) {
    clamp_type(exception);
    return from_exception(exception);
  }
}

/// A call's success without its results, or its Error.
template <class Results>
Result<void> done(kj::AsyncIoContext& io, capnp::RemotePromise<Results> promise) {
  const auto answered = outcome<bool>(io, promise.then([](capnp::Response<Results>&&) { return true; }));
  if (!answered) return answered.error();
  return {};
}

/// One connection and, once signed in, its session and drive.
class RawClient {
 public:
  RawClient(kj::AsyncIoContext& io, const std::string& address);

  Result<void> sign_up(const std::string& login, const std::string& password = "a good password");
  /// Fills session and drive; answers the token.
  Result<std::string> sign_in(const std::string& login, std::uint64_t client_id,
                              const std::string& password = "a good password");
  Result<void> resume(const std::string& token);

  /// One commit of the changes that `fill` makes, under the next sequence; its result.
  Result<CommitResult> commit(std::size_t changes, const std::function<void(capnp::List<rpc::Change>::Builder)>& fill,
                              const std::vector<Receipt>& receipts = {});
  /// A commit of one change; the Error of the call or of the change.
  Result<ChangeResult> change(const std::function<void(rpc::Change::Builder)>& fill,
                              const std::vector<Receipt>& receipts = {});
  Result<ChangeResult> make_folder(const std::string& name, const std::string& parent = "");
  Result<ChangeResult> put_inline(const std::string& name, const std::string& bytes);
  Result<Receipt> put_block(BytesView id, BytesView bytes);
  /// A block that is stored and the file `name` that holds it.
  Result<ChangeResult> put_block_file(const std::string& name, const std::string& bytes);

  Usage usage();
  /// The journal's end.
  std::uint64_t cursor();

  kj::AsyncIoContext& io;
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<capnp::TwoPartyClient> rpc;
  rpc::Cairn::Client cairn;
  kj::Maybe<rpc::Session::Client> session;
  kj::Maybe<rpc::Drive::Client> drive_;
  rpc::Drive::Client& drive() { return KJ_ASSERT_NONNULL(drive_); }
  std::uint64_t client_id = 0;
  std::uint64_t sequence = 0;
};

class RawNode : public ::testing::Test {
 protected:
  /// Quick settings, changed by a test before it starts the node.
  cluster::Config config = quick_config();
  TempDir folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  std::unique_ptr<actors::Node> node;

  static cluster::Config quick_config();
  ~RawNode() noexcept override = default;
  void start();
  void TearDown() override;

  std::shared_ptr<RawClient> connect() { return std::make_shared<RawClient>(io, node->rpc_address()); }
  /// Signed in with an account of its own, made if need be.
  std::shared_ptr<RawClient> sign_in(const std::string& login = "ada", std::uint64_t client_id = 1);
  /// A bare socket to the RPC port, for bytes that are no protocol.
  kj::Own<kj::AsyncIoStream> connect_socket();
  /// Another client, on its own connection, gets work done.
  void expect_serving();
  /// Lets the loop run until `done`; false after the test's patience.
  bool run_until(const std::function<bool()>& done);

 private:
  int served_ = 0;
};

/// What there is of a drive at a time, to be compared.
struct DriveState {
  std::uint64_t used_bytes, entries, cursor;
  friend bool operator==(const DriveState&, const DriveState&) = default;
};
DriveState state_of(RawClient& client);

}  // namespace cairn::test
