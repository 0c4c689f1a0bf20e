// The commands of who runs a cluster. These need no server.
#include "apps/cairn/commands.hpp"
#include "protocol/certificates.hpp"

namespace cairn::apps {

int run(const InitAuthority& command, Context& context) {
  const auto made = make_cluster_authority(command.folder);
  if (!made) return failed(context, made.error());
  context.output.remark("Made the authority of cluster " + made->cluster_id + ": " + made->files.certificate + ", " +
                        made->files.key);
  context.output.remark("Whoever has " + made->files.key + " can add nodes: keep it where only you can read it");
  context.output.value({{"cluster_id", made->cluster_id},
                        {"certificate", made->files.certificate},
                        {"key", made->files.key}});
  return exit_ok;
}

int run(const IssueCertificate& command, Context& context) {
  const auto issued = issue_node_certificate(command.node, command.authority, command.out);
  if (!issued) return failed(context, issued.error());
  context.output.remark("Issued the certificate of " + command.node + ": " + issued->certificate + ", " + issued->key);
  context.output.value({{"node", command.node}, {"certificate", issued->certificate}, {"key", issued->key}});
  return exit_ok;
}

}  // namespace cairn::apps
