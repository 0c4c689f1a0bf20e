// The commands of who runs a cluster: certificates, which need no server, and what one node is told.
#include <functional>

#include "apps/cairn/cluster_files.hpp"
#include "apps/cairn/commands.hpp"
#include "client/admin.hpp"
#include "protocol/certificates.hpp"

namespace cairn::apps {
namespace {

using Tell = std::function<Result<void>(client::Admin&)>;

/// Tells the node, or of a cluster's nodes the first that can be told; then says `done`.
int tell(Context& context, const AdminOf& of, const Tell& tell, const std::string& done) {
  std::vector<std::string> sockets{of.socket};
  if (of.socket.empty()) {
    const auto nodes = read_cluster(cluster_folder(of.data));
    if (!nodes) return failed(context, nodes.error());
    sockets.clear();
    for (const auto& node : *nodes) sockets.push_back(node.socket);
  }
  Error last{Errc::not_found, "the cluster has no nodes"};
  for (const auto& socket : sockets) {
    const auto admin = client::Admin::connect(socket, context.globals.patience);
    const auto told = admin ? tell(**admin) : Result<void>(admin.error());
    if (told) {
      context.output.remark(done);
      context.output.value({{"done", done}});
      return exit_ok;
    }
    last = told.error();
    // Another node may lead the shard, or be there at all.
    if (admin && last.code != Errc::unavailable) break;
  }
  return failed(context, last);
}

}  // namespace

int run(const InitAuthority& command, Context& context) {
  const auto made = make_cluster_authority(command.folder);
  if (!made) return failed(context, made.error());
  context.output.remark("Made the authority of cluster " + made->cluster_id + ": " + made->files.certificate + ", " +
                        made->files.key);
  context.output.remark("Whoever has " + made->files.key + " can add nodes: keep it where only you can read it");
  context.output.value(
      {{"cluster_id", made->cluster_id}, {"certificate", made->files.certificate}, {"key", made->files.key}});
  return exit_ok;
}

int run(const IssueCertificate& command, Context& context) {
  const auto issued = issue_node_certificate(command.node, command.authority, command.out);
  if (!issued) return failed(context, issued.error());
  context.output.remark("Issued the certificate of " + command.node + ": " + issued->certificate + ", " + issued->key);
  context.output.value({{"node", command.node}, {"certificate", issued->certificate}, {"key", issued->key}});
  return exit_ok;
}

int run(const AdminSet& command, Context& context) {
  const auto value = command.value.empty() ? "its default" : command.value;
  return tell(
      context, command.of, [&](client::Admin& admin) { return admin.set_setting(command.name, command.value); },
      command.name + " is " + value);
}

int run(const AdminDrain& command, Context& context) {
  if (command.undo)
    return tell(
        context, command.of, [&](client::Admin& admin) { return admin.undrain(command.node); },
        command.node + " may hold replicas again");
  return tell(
      context, command.of, [&](client::Admin& admin) { return admin.drain(command.node); },
      command.node + " is being drained: cairn cluster status shows how its replicas move");
}

int run(const AdminTransfer& command, Context& context) {
  return tell(
      context, command.of, [&](client::Admin& admin) { return admin.transfer_leadership(command.shard, command.node); },
      "shard " + std::to_string(command.shard) + " is being handed to " + command.node);
}

int run(const AdminRestart& command, Context& context) {
  return tell(
      context, command.of, [&](client::Admin& admin) { return admin.restart_actor(command.actor); },
      command.actor + " is being restarted");
}

}  // namespace cairn::apps
