#include "tests/client/memory_server.hpp"

#include <capnp/rpc-twoparty.h>
#include <gtest/gtest.h>

#include <list>

#include "protocol/model_capnp.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {

namespace {

/// One accepted connection; dropped as a whole.
struct Peer {
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Maybe<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;

  ~Peer() {
    system = nullptr;
    network = nullptr;
    stream = nullptr;
  }
};

template <class T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) kj::throwFatalException(to_exception(result.error()));
  return std::move(*result);
}

BytesView view(capnp::Data::Reader in) { return {reinterpret_cast<const char*>(in.begin()), in.size()}; }
capnp::Data::Reader reader(BytesView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
std::string text_of(capnp::Text::Reader in) { return std::string(in.begin(), in.size()); }

struct Watching {
  rpc::Watcher::Client watcher;
  Cursor cursor;
  bool sending = false;
};

}  // namespace

/// The loop's side.
struct MemoryServer::Loop : kj::TaskSet::ErrorHandler {
  explicit Loop(MemoryServer& owner) : server(owner) {}
  MemoryServer& server;
  kj::AsyncIoContext* io = nullptr;
  kj::Own<kj::TaskSet> tasks;
  std::list<std::shared_ptr<Peer>> peers;
  std::list<std::shared_ptr<Watching>> watching;

  void taskFailed(kj::Exception&&) override {}

  kj::Promise<void> accept(kj::Own<kj::ConnectionReceiver> port);
  void drop(const std::shared_ptr<Peer>& peer) {
    peers.remove(peer);
    // The call that asks for this runs within the peer's own events.
    tasks->add(kj::evalLater([peer] {}).attach(std::shared_ptr<Peer>(peer)));
  }
  void send(const std::shared_ptr<Watching>& watching);

  /// Runs `work` as the fate of `method` says.
  kj::Promise<void> decide(const std::weak_ptr<Peer>& peer, const char* method,
                           kj::Function<void()> work) {
    ++server.calls;
    server.calls.notify_all();
    const auto fate = server.fate(method);
    switch (fate) {
      case Fate::answer: work(); return kj::READY_NOW;
      case Fate::busy: kj::throwFatalException(to_exception(Error{Errc::busy, "later"}));
      case Fate::hostile:
        kj::throwFatalException(kj::Exception(static_cast<kj::Exception::Type>(65'535), "", 0, kj::str("boo")));
      case Fate::hang: return kj::NEVER_DONE;
      case Fate::lose_answer:
        try {
          work();
        } catch (const kj::Exception&) {
        }
        [[fallthrough]];
      case Fate::lose_request:
        if (const auto live = peer.lock()) drop(live);
        return kj::NEVER_DONE;
    }
    return kj::READY_NOW;
  }
};

namespace {

class WatchEnd final : public rpc::Watch::Server {
 public:
  WatchEnd(MemoryServer::Loop& loop, std::shared_ptr<Watching> watching) : loop_(loop), watching_(std::move(watching)) {
    ++loop_.server.watches;
  }
  ~WatchEnd() noexcept {
    --loop_.server.watches;
    loop_.watching.remove(watching_);
  }

 private:
  MemoryServer::Loop& loop_;
  std::shared_ptr<Watching> watching_;
};

class DriveServer final : public rpc::Drive::Server {
 public:
  DriveServer(MemoryServer::Loop& loop, std::weak_ptr<Peer> peer)
      : loop_(loop), drive_(loop.server.drive), peer_(std::move(peer)) {}

  kj::Promise<void> stat(StatContext context) override {
    return loop_.decide(peer_, "stat", [&] {
      const auto ref = value_or_throw(from_capnp(context.getParams().getEntry()));
      to_capnp(value_or_throw(drive_.stat(ref)), context.getResults().initEntry());
    });
  }
  kj::Promise<void> list(ListContext context) override {
    return loop_.decide(peer_, "list", [&] {
      const auto params = context.getParams();
      const auto ref = value_or_throw(from_capnp(params.getFolder()));
      to_capnp(value_or_throw(drive_.list(ref, text_of(params.getAfter()), params.getLimit())),
               context.getResults().initPage());
    });
  }
  kj::Promise<void> commit(CommitContext context) override {
    return loop_.decide(peer_, "commit", [&] {
      const auto commit = value_or_throw(from_capnp(context.getParams().getCommit(), AccountId{1}));
      const auto result = value_or_throw(drive_.commit(commit));
      auto out = context.getResults();
      auto results = out.initResults(static_cast<unsigned>(result.results.size()));
      for (unsigned i = 0; i < results.size(); ++i) to_capnp(result.results[i], results[i]);
      out.setCursor(result.cursor.value);
      for (const auto& watching : loop_.watching) loop_.send(watching);
    });
  }
  kj::Promise<void> missingBlocks(MissingBlocksContext context) override {
    return loop_.decide(peer_, "missingBlocks", [&] {
      const auto missing = drive_.missing(value_or_throw(block_ids_from_capnp(context.getParams().getIds())));
      auto out = context.getResults().initMissing(static_cast<unsigned>(missing.size()));
      for (unsigned i = 0; i < out.size(); ++i) out.set(i, missing[i]);
    });
  }
  kj::Promise<void> putBlock(PutBlockContext context) override {
    return loop_.decide(peer_, "putBlock", [&] {
      const auto params = context.getParams();
      const auto id = BlockId::from_bytes(view(params.getId()));
      if (!id) kj::throwFatalException(to_exception(Error{Errc::invalid_argument, "id"}));
      to_capnp(value_or_throw(drive_.put_block(*id, Bytes(view(params.getBytes())))),
               context.getResults().initReceipt());
    });
  }
  kj::Promise<void> read(ReadContext context) override {
    return loop_.decide(peer_, "read", [&] {
      const auto params = context.getParams();
      const auto found = content(params.getEntry(), params.getVersion());
      auto out = context.getResults();
      out.setBytes(reader(value_or_throw(drive_.read(found.content, params.getOffset(), params.getBytes()))));
      out.setSize(found.content.size);
      out.setVersion(found.version.value);
    });
  }
  kj::Promise<void> download(DownloadContext context) override {
    ++loop_.server.calls;
    const auto params = context.getParams();
    const auto found = content(params.getEntry(), params.getVersion());
    auto out = context.getResults();
    out.setSize(found.content.size);
    out.setVersion(found.version.value);
    const auto end = params.getBytes() == 0 ? found.content.size : params.getOffset() + params.getBytes();
    return send(params.getSink(), found.content, params.getOffset(), std::min(end, found.content.size));
  }
  kj::Promise<void> manifest(ManifestContext context) override {
    return loop_.decide(peer_, "manifest", [&] {
      const auto found = content(context.getParams().getEntry(), context.getParams().getVersion());
      to_capnp(found.content, context.getResults().initContent());
      context.getResults().setVersion(found.version.value);
    });
  }
  kj::Promise<void> versions(VersionsContext context) override {
    return loop_.decide(peer_, "versions", [&] {
      const auto params = context.getParams();
      const auto found = value_or_throw(
          drive_.versions(value_or_throw(from_capnp(params.getEntry())), params.getBefore()));
      auto out = context.getResults().initVersions(static_cast<unsigned>(found.size()));
      for (unsigned i = 0; i < out.size(); ++i) to_capnp(found[i], out[i]);
    });
  }
  kj::Promise<void> trash(TrashContext context) override {
    return loop_.decide(peer_, "trash", [&] { to_capnp(drive_.trash(), context.getResults().initPage()); });
  }
  kj::Promise<void> changes(ChangesContext context) override {
    return loop_.decide(peer_, "changes", [&] {
      const auto params = context.getParams();
      to_capnp(value_or_throw(drive_.changes(Cursor{params.getCursor()}, params.getLimit())),
               context.getResults().initPage());
    });
  }
  kj::Promise<void> watch(WatchContext context) override {
    return loop_.decide(peer_, "watch", [&] {
      const Cursor cursor{context.getParams().getCursor()};
      value_or_throw(drive_.changes(cursor, 1));
      auto watching = std::make_shared<Watching>(Watching{context.getParams().getWatcher(), cursor});
      loop_.watching.push_back(watching);
      context.getResults().setWatch(kj::heap<WatchEnd>(loop_, watching));
      loop_.send(watching);
    });
  }
  kj::Promise<void> usage(UsageContext context) override {
    return loop_.decide(peer_, "usage", [&] { to_capnp(Usage{1, 2, 3}, context.getResults().initUsage()); });
  }

 private:
  MemoryDrive::Found content(rpc::EntryRef::Reader ref, std::uint32_t version) {
    return value_or_throw(drive_.content(value_or_throw(from_capnp(ref)), VersionNumber{version}));
  }
  /// Small pieces, and the connection is lost where the fate of "write" says so.
  kj::Promise<void> send(rpc::ByteSink::Client sink, Content content, std::uint64_t at, std::uint64_t end) {
    if (at >= end) return sink.endRequest().send().ignoreResult();
    return loop_.decide(peer_, "write", [] {}).then([this, sink, content, at, end]() mutable {
      const auto piece = value_or_throw(drive_.read(content, at, std::min<std::uint64_t>(end - at, 100'000)));
      auto request = sink.writeRequest();
      request.setBytes(reader(piece));
      return request.send().then([this, sink, content, next = at + piece.size(), end]() mutable {
        return send(sink, kj::mv(content), next, end);
      });
    });
  }

  MemoryServer::Loop& loop_;
  MemoryDrive& drive_;
  std::weak_ptr<Peer> peer_;
};

class SessionServer final : public rpc::Session::Server {
 public:
  SessionServer(MemoryServer::Loop& loop, std::weak_ptr<Peer> peer) : loop_(loop), peer_(std::move(peer)) {}
  kj::Promise<void> account(AccountContext context) override {
    context.getResults().setLogin("ana");
    context.getResults().setAccountId(1);
    return kj::READY_NOW;
  }
  kj::Promise<void> drive(DriveContext context) override {
    context.getResults().setDrive(kj::heap<DriveServer>(loop_, peer_));
    return kj::READY_NOW;
  }
  kj::Promise<void> setPassword(SetPasswordContext) override {
    return loop_.decide(peer_, "setPassword", [] {});
  }
  kj::Promise<void> revoke(RevokeContext) override {
    loop_.server.revoked = true;
    return kj::READY_NOW;
  }
  kj::Promise<void> devices(DevicesContext context) override {
    to_capnp(Device{ClientId{7}, "device", {}, false}, context.getResults().initDevices(1)[0]);
    return kj::READY_NOW;
  }

 private:
  MemoryServer::Loop& loop_;
  std::weak_ptr<Peer> peer_;
};

class CairnServer final : public rpc::Cairn::Server {
 public:
  CairnServer(MemoryServer::Loop& loop, std::weak_ptr<Peer> peer) : loop_(loop), peer_(std::move(peer)) {}
  kj::Promise<void> hello(HelloContext context) override {
    context.getResults().setProtocol(1);
    context.getResults().setServer("memory");
    return kj::READY_NOW;
  }
  kj::Promise<void> signUp(SignUpContext) override {
    return loop_.decide(peer_, "signUp", [] {});
  }
  kj::Promise<void> signIn(SignInContext context) override {
    return loop_.decide(peer_, "signIn", [&] {
      ++loop_.server.sign_ins;
      if (text_of(context.getParams().getPassword()) != "password")
        kj::throwFatalException(to_exception(Error{Errc::wrong_credentials, "no"}));
      context.getResults().setToken("token");
      context.getResults().setSession(kj::heap<SessionServer>(loop_, peer_));
    });
  }
  kj::Promise<void> resume(ResumeContext context) override {
    return loop_.decide(peer_, "resume", [&] {
      if (loop_.server.revoked) kj::throwFatalException(to_exception(Error{Errc::revoked_token, "no"}));
      if (text_of(context.getParams().getToken()) != "token")
        kj::throwFatalException(to_exception(Error{Errc::unknown_token, "no"}));
      context.getResults().setSession(kj::heap<SessionServer>(loop_, peer_));
    });
  }

 private:
  MemoryServer::Loop& loop_;
  std::weak_ptr<Peer> peer_;
};

}  // namespace

void MemoryServer::Loop::send(const std::shared_ptr<Watching>& watching) {
  if (watching->sending) return;
  auto page = server.drive.changes(watching->cursor, 10);
  if (!page.ok() || page->events.empty()) return;
  auto request = watching->watcher.changedRequest();
  to_capnp(*page, request.initPage());
  watching->sending = true;
  tasks->add(request.send().ignoreResult().then([this, watching, cursor = page->cursor] {
    watching->cursor = cursor;
    watching->sending = false;
    send(watching);
  }));
}

kj::Promise<void> MemoryServer::Loop::accept(kj::Own<kj::ConnectionReceiver> port) {
  auto& receiver = *port;
  return receiver.accept().then([this, port = kj::mv(port)](kj::Own<kj::AsyncIoStream>&& stream) mutable {
    auto peer = std::make_shared<Peer>();
    peer->stream = kj::mv(stream);
    peer->network = kj::heap<capnp::TwoPartyVatNetwork>(*peer->stream, capnp::rpc::twoparty::Side::SERVER);
    peer->system.emplace(capnp::makeRpcServer(*peer->network, kj::heap<CairnServer>(*this, std::weak_ptr(peer))));
    peers.push_back(peer);
    tasks->add(peer->network->onDisconnect().then([this, weak = std::weak_ptr(peer)] {
      if (const auto gone = weak.lock()) drop(gone);
    }));
    return accept(kj::mv(port));
  });
}

MemoryServer::MemoryServer() : state_(std::make_unique<Loop>(*this)) {}

MemoryServer::~MemoryServer() { stop(); }

void MemoryServer::start() {
  loop_ = std::make_unique<KjLoop>("memory-server");
  loop_->run([this](kj::AsyncIoContext& io) {
    state_->io = &io;
    state_->tasks = kj::heap<kj::TaskSet>(*state_);
    return io.provider->getNetwork().parseAddress("127.0.0.1", port_).then([this](auto&& address) {
      auto port = address->listen();
      port_ = static_cast<std::uint16_t>(port->getPort());
      state_->tasks->add(state_->accept(kj::mv(port)));
    });
  });
}

void MemoryServer::stop() {
  if (!loop_) return;
  loop_->run([this](kj::AsyncIoContext&) -> kj::Promise<void> {
    state_->tasks = nullptr;
    state_->watching.clear();
    state_->peers.clear();
    return kj::READY_NOW;
  });
  loop_.reset();
}

void MemoryServer::drop_connections() {
  loop_->run([this](kj::AsyncIoContext&) -> kj::Promise<void> {
    state_->peers.clear();
    return kj::READY_NOW;
  });
}

void MemoryServer::restart_every(std::uint64_t calls_between, const std::atomic<bool>& running) {
  while (running) {
    const auto target = calls + calls_between;
    for (auto seen = calls.load(); running && seen < target; seen = calls.load()) calls.wait(seen);
    stop();
    start();
  }
}

void MemoryServer::tell_watchers() {
  loop_->post([this](kj::AsyncIoContext&) {
    for (const auto& watching : state_->watching) state_->send(watching);
  });
}

ConnectionOptions MemoryServer::options() const {
  ConnectionOptions options;
  options.address = address();
  options.first_backoff = 1ms;
  options.max_backoff = 20ms;
  return options;
}

SignedIn sign_in(const MemoryServer& server) { return sign_in(server.options()); }

SignedIn sign_in(ConnectionOptions options) {
  SignedIn out;
  auto connection = Connection::open(std::move(options));
  EXPECT_TRUE(connection.ok());
  out.connection = std::move(*connection);
  const auto client = random_client_id();
  auto token = out.connection->sign_in("ana", "password", "device", client);
  EXPECT_TRUE(token.ok()) << (token.ok() ? "" : token.error().message);
  if (token.ok()) out.token = *token;
  out.drive = out.connection->drive(make_request_ids(client));
  return out;
}

}  // namespace cairn::client
