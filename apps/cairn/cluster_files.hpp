// The nodes of a cluster on this machine, as files: their configurations, the folder in which they run, and the
// list of them that `cairn cluster up` keeps there, so that the other commands need no more than the folder.
// Relative paths of a configuration start in that folder, as it is where cairnd is started. Any thread.
#pragma once

#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace cairn::apps {

/// One node. All paths are absolute.
struct ClusterNode {
  std::string name;
  std::string config;
  std::string data;
  std::string socket;
  std::string certificate;  ///< these three are empty without links
  std::string key;
  std::string authority;
  friend bool operator==(const ClusterNode&, const ClusterNode&) = default;
};

/// The folder of a cluster and what is in it.
struct ClusterFolder {
  std::string path;  ///< absolute
  std::string list() const { return path + "/cluster.json"; }
  std::string pid_file(const std::string& node) const { return path + "/" + node + ".pid"; }
  std::string log_file(const std::string& node) const { return path + "/" + node + ".log"; }
};
ClusterFolder cluster_folder(const std::string& path);

struct ClusterConfigs {
  std::vector<ClusterNode> nodes;
  std::vector<Error> errors;  ///< each names its file and line
};
/// Reads configurations: of each path the file itself, or all *.toml of a folder, by name. Wrong is what check_config()
/// says, and two nodes that share a name, data, or a socket.
ClusterConfigs read_configs(const std::vector<std::string>& paths, const ClusterFolder& folder);

/// The list that write_cluster() left. not_found: there is none; bad_config: it is damaged. Both name the file.
Result<std::vector<ClusterNode>> read_cluster(const ClusterFolder& folder);
/// Replaces the list in one step.
Result<void> write_cluster(const ClusterFolder& folder, const std::vector<ClusterNode>& nodes);

/// Makes the authority and the certificates that the nodes' configurations name and that are not there; answers
/// what it made, a path each. They can only be made as `ca.pem`, and `NODE.pem` with `NODE.key`: bad_config otherwise.
Result<std::vector<std::string>> make_certificates(const std::vector<ClusterNode>& nodes);

}  // namespace cairn::apps
