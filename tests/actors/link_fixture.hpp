// What tests of links share: a cluster with an authority of its own, and nodes that remember what their listener was
// told.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/link.hpp"
#include "actors/link_tls.hpp"
#include "protocol/certificates.hpp"
#include "tests/links/raw_peer.hpp"
#include "tests/support/events.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {

using namespace std::chrono_literals;
using cairn::test::Events;
using cairn::test::patience;
using cairn::test::TempDir;

struct LinkEvent {
  enum Kind { up, down, warning } kind;
  NodeName peer;
  std::uint64_t incarnation = 0;
  Errc code = Errc::internal;
  std::string text;
};

struct Received {
  NodeName from;
  std::uint8_t channel;
  Bytes frame;
};

/// Remembers, and checks that up and down alternate and that nothing comes from a peer that is down.
class Recorder : public LinkListener {
 public:
  void link_up(const NodeName& peer, std::uint64_t incarnation) override;
  void link_down(const NodeName& peer, const Error& why) override;
  void received(const NodeName& from, std::uint8_t channel, Bytes frame) override;
  void warned(const NodeName& peer, const std::string& sentence) override;

  /// Waits until there are `count` events of this kind; nothing came in time if false.
  bool wait(LinkEvent::Kind kind, std::size_t count = 1);
  std::vector<LinkEvent> of(LinkEvent::Kind kind) const;
  LinkEvent last(LinkEvent::Kind kind) const;

  Events<LinkEvent> events;
  Events<Received> frames;
  /// Instead of remembering the frame. Set before any comes.
  std::function<void(const NodeName&, std::uint8_t, Bytes)> on_frame;
  std::function<void(const NodeName&)> on_up;
  std::atomic<std::uint64_t> calls{0};

 private:
  std::map<NodeName, bool> up_;
};

struct End {
  std::shared_ptr<Recorder> seen;
  std::unique_ptr<Links> links;

  /// The status of the one peer; of none if there is none.
  LinkStatus status() const;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest();

  /// The options of a node with a certificate; timeouts are long unless a test shortens them.
  LinkOptions options(const NodeName& node, std::uint64_t incarnation = 1);
  End start(const LinkOptions& options);
  End start(const NodeName& node, std::uint64_t incarnation = 1) { return start(options(node, incarnation)); }
  /// Makes `a` (which dials) and `b` known to each other, and waits until both are up.
  void connect(End& a, const NodeName& a_name, End& b, const NodeName& b_name);
  std::shared_ptr<const TlsContext> tls(const NodeName& node);
  LinkHello hello(const NodeName& node, std::uint64_t incarnation = 1) const;

  TempDir folder_;
  std::string cluster_id_;
};

}  // namespace cairn::actors::test
