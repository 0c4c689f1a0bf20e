#include "actors/rpc_watch.hpp"

#include <caf/send.hpp>

#include <memory>

#include "actors/rpc_bridge.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"

namespace cairn::actors {
namespace {

class WatchService final : public rpc::Watch::Server {
 public:
  WatchService(std::shared_ptr<HeldSession> session, std::uint64_t number)
      : session_(std::move(session)), number_(number) {}
  ~WatchService() noexcept { caf::anon_send(session_->opened.session, SessionUnwatch{number_}); }

 private:
  std::shared_ptr<HeldSession> session_;
  std::uint64_t number_;
};

// The client's callback belongs to the loop's thread: wherever the last holder lets go, it dies there.
std::shared_ptr<rpc::Watcher::Client> on_loop(KjLoop& loop, rpc::Watcher::Client watcher) {
  return {new rpc::Watcher::Client(kj::mv(watcher)), [&loop](rpc::Watcher::Client* client) {
            loop.post([client](kj::AsyncIoContext&) { delete client; });
          }};
}

void send_page(kj::Timer& timer, std::chrono::milliseconds timeout, rpc::Watcher::Client& watcher,
               const ChangePage& page, Reply<bool> taken) {
  auto request = watcher.changedRequest();
  to_capnp(page, request.initPage());
  timer.timeoutAfter(timeout.count() * kj::MILLISECONDS, request.send().ignoreResult())
      .then([taken] { taken(true); },
            // What a client throws here is only counted as a refusal: it is neither printed nor passed on.
            [taken](kj::Exception&& thrown) {
              clamp_type(thrown);
              taken(false);
            })
      .detach([](kj::Exception&& thrown) { clamp_type(thrown); });
}

void send_end(rpc::Watcher::Client& watcher, const Error& why) {
  auto request = watcher.endedRequest();
  request.setCode(static_cast<std::uint16_t>(why.code));
  request.setMessage(why.message.c_str());
  request.send().ignoreResult().detach([](kj::Exception&& thrown) { clamp_type(thrown); });
}

}  // namespace

kj::Promise<rpc::Watch::Client> start_watch(std::shared_ptr<HeldSession> session, Cursor cursor,
                                            rpc::Watcher::Client watcher) {
  auto& loop = *session->connection->context.loop;
  const auto timeout = session->connection->context.callback_timeout;
  const auto client = on_loop(loop, kj::mv(watcher));
  auto target = std::make_shared<WatchTarget>();
  target->changed = [&loop, timeout, client](ChangePage page, Reply<bool> taken) {
    loop.post([timeout, client, page = std::move(page), taken = std::move(taken)](kj::AsyncIoContext& io) {
      send_page(io.provider->getTimer(), timeout, *client, page, taken);
    });
  };
  target->ended = [&loop, client](const Error& why) {
    loop.post([client, why](kj::AsyncIoContext&) { send_end(*client, why); });
  };
  auto bridge = make_bridge<std::uint64_t>();
  caf::anon_send(session->opened.session, SessionWatch{cursor, std::move(target), std::move(bridge.reply)});
  return bridge.promise.then([session = std::move(session)](std::uint64_t number) -> rpc::Watch::Client {
    return kj::heap<WatchService>(session, number);
  });
}

}  // namespace cairn::actors
