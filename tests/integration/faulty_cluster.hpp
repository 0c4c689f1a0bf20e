// What the tests of a cluster's faults share: a cluster of real processes with clients on it, and what must hold of it
// whatever happened. Main thread of the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/processes/cluster.hpp"
#include "tests/processes/load.hpp"

namespace cairn::test {

class FaultyCluster : public testing::Test {
 protected:
  /// Starts the cluster and the clients.
  void begin(ClusterOptions options = {}) {
    options.program = cairnd_path();
    cluster = std::make_unique<ProcessCluster>(std::move(options));
    cluster->start();
    load = std::make_unique<SteadyLoad>(*cluster, LoadOptions{});
    expect_progress("at the beginning");
  }

  /// As begin(), on a network that can be cut; false, and the test is skipped, where that may not be made.
  bool begin_on_a_network() {
    auto made = Network::make();
    if (!made.ok()) {
      [&] { GTEST_SKIP() << made.error().message; }();
      return false;
    }
    network = std::move(*made);
    ClusterOptions options;
    options.network = network.get();
    begin(options);
    return true;
  }

  /// Something is committed and something read after now.
  void expect_progress(const std::string& when) {
    const auto now = seconds_now();
    EXPECT_TRUE(load->writes_after(now)) << "no commit " << when;
    EXPECT_TRUE(load->reads_after(now)) << "no read " << when;
  }

  /// Nothing acknowledged is lost, nothing took effect twice, and the watches missed nothing.
  void expect_whole() {
    load->stop();
    EXPECT_THAT(load->wrong(), testing::IsEmpty());
  }

  std::unique_ptr<Network> network;  // before what is in it
  std::unique_ptr<ProcessCluster> cluster;
  std::unique_ptr<SteadyLoad> load;
};

}  // namespace cairn::test
