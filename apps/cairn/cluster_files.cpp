#include "apps/cairn/cluster_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cluster/config.hpp"
#include "protocol/certificates.hpp"

namespace cairn::apps {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string absolute(const std::string& path, const std::string& from) {
  if (path.empty()) return {};
  auto whole = (fs::path(from) / path).lexically_normal().string();
  if (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  return whole;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/// The *.toml of a folder, or the path itself.
Result<std::vector<std::string>> files_of(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  if (error) return Error{Errc::io, path + ": " + error.message()};
  std::ranges::sort(files);
  if (files.empty()) return Error{Errc::not_found, path + " holds no *.toml, of which each is a node's configuration"};
  return files;
}

Result<std::string> read_text(const std::string& path) {
  std::error_code error;
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (file && fs::is_regular_file(path, error)) return text.str();
  return Error{exists(path) ? Errc::io : Errc::not_found, "cannot read " + path};
}

ClusterNode node_of(const cluster::Config& config, const std::string& file, const ClusterFolder& folder) {
  ClusterNode node;
  node.name = config.node.name;
  node.config = absolute(file, fs::current_path().string());
  node.data = absolute(config.node.data, folder.path);
  node.socket = absolute(cluster::admin_socket_path(config), folder.path);
  node.certificate = absolute(config.link.certificate, folder.path);
  node.key = absolute(config.link.key, folder.path);
  node.authority = absolute(config.link.authority, folder.path);
  return node;
}

void find_shared(ClusterConfigs& configs) {
  const std::pair<const char*, std::string ClusterNode::*> apart[] = {
      {"node.name", &ClusterNode::name}, {"node.data", &ClusterNode::data}, {"admin.socket", &ClusterNode::socket}};
  for (const auto& [key, member] : apart) {
    std::map<std::string, std::string> seen;
    for (const auto& node : configs.nodes) {
      const auto [at, fresh] = seen.emplace(node.*member, node.config);
      if (!fresh)
        configs.errors.push_back(
            {Errc::bad_config, node.config + ": " + key + " is " + node.*member + ", as in " + at->second});
    }
  }
}

fs::path parent(const std::string& path) { return fs::path(path).parent_path(); }

Result<void> check_makeable(const ClusterNode& node) {
  const auto wanted = parent(node.certificate) / (node.name + ".pem");
  const auto wanted_key = parent(node.certificate) / (node.name + ".key");
  if (node.certificate == wanted && node.key == wanted_key) return {};
  return Error{Errc::bad_config, "link.certificate of " + node.name + " is missing: " + node.certificate +
                                     ". It can be made only as " + wanted.string() + " with " + wanted_key.string() +
                                     ": name it so, or make it by cairn admin issue"};
}

}  // namespace

ClusterFolder cluster_folder(const std::string& path) { return {absolute(path, fs::current_path().string())}; }

ClusterConfigs read_configs(const std::vector<std::string>& paths, const ClusterFolder& folder) {
  ClusterConfigs out;
  for (const auto& path : paths) {
    const auto files = files_of(path);
    if (!files) {
      out.errors.push_back(files.error());
      continue;
    }
    for (const auto& file : *files) {
      const auto text = read_text(file);
      if (!text) {
        out.errors.push_back(text.error());
        continue;
      }
      const auto parsed = cluster::parse_config(*text);
      for (const auto& error : parsed.errors) out.errors.push_back({Errc::bad_config, describe(error, file)});
      if (parsed.errors.empty()) out.nodes.push_back(node_of(parsed.config, file, folder));
    }
  }
  find_shared(out);
  return out;
}

Result<std::vector<ClusterNode>> read_cluster(const ClusterFolder& folder) {
  const auto text = read_text(folder.list());
  if (!text)
    return Error{text.error().code, "no cluster was started in " + folder.path + ": there is no " + folder.list()};
  const auto json = Json::parse(*text, nullptr, false);
  const Error damaged{Errc::bad_config, folder.list() + " is damaged: cairn cluster up writes it again"};
  if (!json.is_object() || !json.contains("nodes") || !json["nodes"].is_array()) return damaged;
  std::vector<ClusterNode> nodes;
  for (const auto& part : json["nodes"]) {
    ClusterNode node;
    const std::pair<const char*, std::string*> fields[] = {
        {"name", &node.name},          {"config", &node.config},           {"data", &node.data},
        {"socket", &node.socket},      {"certificate", &node.certificate}, {"key", &node.key},
        {"authority", &node.authority}};
    for (const auto& [name, field] : fields) {
      if (!part.is_object() || !part.contains(name) || !part[name].is_string()) return damaged;
      *field = part[name].get<std::string>();
    }
    // It becomes part of paths.
    if (!check_node_name(node.name)) return damaged;
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<void> write_cluster(const ClusterFolder& folder, const std::vector<ClusterNode>& nodes) {
  auto list = Json::array();
  for (const auto& node : nodes)
    list.push_back({{"name", node.name},
                    {"config", node.config},
                    {"data", node.data},
                    {"socket", node.socket},
                    {"certificate", node.certificate},
                    {"key", node.key},
                    {"authority", node.authority}});
  const auto text = Json{{"nodes", list}}.dump(2) + "\n";
  const auto fresh = folder.list() + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(fresh.c_str(), folder.list().c_str()) != 0)
    return Error{Errc::io, "cannot write " + folder.list() + ": " + std::strerror(errno)};
  return {};
}

Result<std::vector<std::string>> make_certificates(const std::vector<ClusterNode>& nodes) {
  std::vector<std::string> made;
  for (const auto& node : nodes) {
    if (node.authority.empty() || exists(node.certificate)) continue;
    CAIRN_TRY(check_makeable(node));
    const auto ca_folder = parent(node.authority);
    if (!exists(node.authority)) {
      if (node.authority != ca_folder / "ca.pem")
        return Error{Errc::bad_config, "link.authority of " + node.name + " is missing: " + node.authority +
                                           ". It can be made only as " + (ca_folder / "ca.pem").string()};
      const auto authority = make_cluster_authority(ca_folder);
      if (!authority) return authority.error();
      made.push_back(authority->files.certificate);
    }
    const auto issued = issue_node_certificate(node.name, ca_folder, parent(node.certificate));
    if (!issued) return issued.error();
    made.push_back(issued->certificate);
  }
  return made;
}

}  // namespace cairn::apps
