#include "tests/actors/link_fixture.hpp"

#include <algorithm>
#include <filesystem>

namespace cairn::actors::test {

void Recorder::link_up(const NodeName& peer, std::uint64_t incarnation) {
  ++calls;
  EXPECT_FALSE(std::exchange(up_[peer], true)) << peer << " is up twice";
  if (on_up) on_up(peer);
  events.add({LinkEvent::up, peer, incarnation, {}, {}});
}

void Recorder::link_down(const NodeName& peer, const Error& why) {
  ++calls;
  EXPECT_TRUE(std::exchange(up_[peer], false)) << peer << " is down twice";
  events.add({LinkEvent::down, peer, 0, why.code, why.message});
}

void Recorder::received(const NodeName& from, std::uint8_t channel, Bytes frame) {
  ++calls;
  EXPECT_TRUE(up_[from]) << "a frame of " << from << ", which is down";
  if (on_frame) return on_frame(from, channel, std::move(frame));
  frames.add({from, channel, std::move(frame)});
}

void Recorder::warned(const NodeName& peer, const std::string& sentence) {
  ++calls;
  events.add({LinkEvent::warning, peer, 0, {}, sentence});
}

bool Recorder::wait(LinkEvent::Kind kind, std::size_t count) {
  return events.wait([&](const auto& all) {
    return static_cast<std::size_t>(std::ranges::count(all, kind, &LinkEvent::kind)) >= count;
  });
}

std::vector<LinkEvent> Recorder::of(LinkEvent::Kind kind) const {
  auto all = events.all();
  std::erase_if(all, [&](const auto& event) { return event.kind != kind; });
  return all;
}

LinkEvent Recorder::last(LinkEvent::Kind kind) const {
  const auto all = of(kind);
  if (all.empty()) {
    ADD_FAILURE() << "there is no such event";
    return {};
  }
  return all.back();
}

LinkStatus End::status() const {
  const auto all = links->status();
  return all.empty() ? LinkStatus{} : all.front();
}

LinkTest::LinkTest() {
  const auto authority = make_cluster_authority(folder_ / "ca");
  if (!authority) ADD_FAILURE() << authority.error().message;
  else cluster_id_ = authority->cluster_id;
}

LinkOptions LinkTest::options(const NodeName& node, std::uint64_t incarnation) {
  if (!std::filesystem::exists(folder_ / (node + ".pem"))) {
    const auto issued = issue_node_certificate(node, folder_ / "ca", folder_.path());
    if (!issued) ADD_FAILURE() << issued.error().message;
  }
  LinkOptions out;
  out.self = node;
  out.cluster_id = cluster_id_;
  out.incarnation = incarnation;
  out.certificate = folder_ / (node + ".pem");
  out.key = folder_ / (node + ".key");
  out.authority = folder_ / "ca" + "/ca.pem";
  out.heartbeat_interval = 1s;
  out.silence_timeout = patience;
  out.handshake_timeout = patience;
  out.redial_first = 1ms;
  out.redial_most = 20ms;
  return out;
}

End LinkTest::start(const LinkOptions& options) {
  End end{std::make_shared<Recorder>(), nullptr};
  auto links = Links::start(options, end.seen);
  if (!links) ADD_FAILURE() << links.error().message;
  else end.links = std::move(*links);
  return end;
}

void LinkTest::connect(End& a, const NodeName& a_name, End& b, const NodeName& b_name) {
  EXPECT_TRUE(b.links->set_peers({{a_name, {a.links->address(), false}}}));
  EXPECT_TRUE(a.links->set_peers({{b_name, {b.links->address()}}}));
  EXPECT_TRUE(a.seen->wait(LinkEvent::up)) << a.status().last_error;
  EXPECT_TRUE(b.seen->wait(LinkEvent::up)) << b.status().last_error;
}

std::shared_ptr<const TlsContext> LinkTest::tls(const NodeName& node) {
  const auto own = options(node);
  auto context = TlsContext::open(node, own.certificate, own.key, own.authority);
  if (!context) ADD_FAILURE() << context.error().message;
  return context ? *context : nullptr;
}

LinkHello LinkTest::hello(const NodeName& node, std::uint64_t incarnation) const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {link_version, cluster_id_, node, incarnation, static_cast<std::uint64_t>(millis)};
}

}  // namespace cairn::actors::test
