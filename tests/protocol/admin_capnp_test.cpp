// An operator's status keeps every field on its way.
#include "protocol/admin_capnp.hpp"

#include <capnp/message.h>
#include <gtest/gtest.h>

namespace cairn {
namespace {

AdminStatus full_status() {
  AdminStatus status;
  status.node = {"node-1", "0.1.0", 3, 4'000, "z", {"api", "block"}, "127.0.0.1:1", "127.0.0.1:2", true, 9};
  status.actors = {{"router", true, 1, "crashed: x"}, {"sealer 1", false, 0, ""}};
  status.links = {{"node-2", "h:1", "up", true, 5, -7, 2, 10, 20, 30, "silent"}};
  status.replicas = {{2, 11, "leader", 4, 11, 100, 101, 102, 90, 5'000, true, true, {{12, 3}, {13, 0}}, "rot"}};
  status.directory.epoch = 8;
  status.directory.nodes = {{"node-2", "dead", "y", {"metadata"}, "h:1", "", 5}};
  status.directory.shards = {{2, {{0, 99}, {200, 16'383}}, {{11, "node-1", "voter"}}, 11, 4, 3}};
  status.directory.settings = {{"max-moves", "4"}};
  status.directory.events = {{17, -5, "what", "why"}};
  status.missing = {"the links: timed_out"};
  return status;
}

AdminStatus there_and_back(const AdminStatus& status) {
  capnp::MallocMessageBuilder message;
  to_capnp(status, message.initRoot<rpc::AdminStatus>());
  return from_capnp(message.getRoot<rpc::AdminStatus>().asReader());
}

TEST(AdminCapnp, KeepsEveryField) {
  EXPECT_EQ(there_and_back(full_status()), full_status());
  EXPECT_EQ(there_and_back({}), AdminStatus{});
}

TEST(AdminCapnp, AnEmptyMessageIsAnEmptyStatus) {
  capnp::MallocMessageBuilder message;
  EXPECT_EQ(from_capnp(message.initRoot<rpc::AdminStatus>().asReader()), AdminStatus{});
}

}  // namespace
}  // namespace cairn
