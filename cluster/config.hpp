// A node's configuration: TOML with a closed list of keys, each documented in configs/reference.toml.
// Reading is pure: text in, values or errors with line and key out. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/address.hpp"
#include "cluster/directory_types.hpp"
#include "cluster/password.hpp"
#include "protocol/error.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster {

enum class LogFormat : std::uint8_t { human, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };
/// Who may make accounts by themselves.
enum class SignUp : std::uint8_t { off, loopback, anyone };

/// A node and where its links listen; written "name@host:port".
struct NodeAt {
  directory::NodeName name;
  std::string address;
  friend bool operator==(const NodeAt&, const NodeAt&) = default;
};

struct Config {
  struct Node {
    std::string name = "node-1";
    std::string data = "./cairn-data";            ///< directory
    std::string zone = "default";
    directory::Roles roles = directory::all_roles;
  } node;
  /// Without `listen` the node is a cluster of its own.
  struct Link {
    std::string listen;                           ///< address:port; port 0 takes a free one
    std::string advertise;                        ///< host:port for other nodes; empty: what `listen` bound
    std::string certificate;                      ///< PEM files
    std::string key;
    std::string authority;
  } link;
  struct Cluster {
    std::vector<NodeAt> founders;                 ///< 1, 3 or 5 metadata nodes; none: this node alone, or `join`
    std::vector<NodeAt> join;                     ///< any nodes of the cluster
    std::uint32_t shards = 1;                     ///< made at the cluster's start
    std::uint32_t replicas = 3;                   ///< wanted of each of those shards: 1, 3, 5 or 7
  } cluster;
  struct Admin {
    std::string socket;                           ///< path; empty: admin.socket in node.data
  } admin;
  struct Rpc {
    std::string listen = "127.0.0.1:7420";        ///< address:port; port 0 takes a free one
    std::string tls_certificate;                  ///< PEM files; both or none
    std::string tls_key;
    bool insecure = false;                        ///< allow plaintext off loopback
    std::uint32_t threads = 1;                    ///< KJ loops
    std::uint32_t max_connections = 16'000;
    std::uint64_t max_connections_per_address = 16'000;
    std::chrono::milliseconds sign_in_timeout = limits::sign_in_timeout;
    std::chrono::milliseconds message_timeout = limits::message_timeout;
    std::chrono::milliseconds callback_timeout = limits::callback_timeout;
  } rpc;
  struct Accounts {
    SignUp sign_up = SignUp::loopback;
    std::uint64_t default_quota_bytes = std::uint64_t{1} << 40;
    PasswordCost password_cost;
    std::uint32_t password_threads = 1;
  } accounts;
  struct Metadata {
    std::uint64_t log_segment_bytes = 64u << 20;
    std::uint64_t checkpoint_overlay_bytes = 64u << 20;
    std::uint64_t checkpoint_log_bytes = 256u << 20;
    std::chrono::milliseconds checkpoint_interval{30'000};
    std::chrono::milliseconds trash_retention{std::chrono::hours{24 * 30}};
    std::chrono::milliseconds version_retention{std::chrono::hours{24 * 90}};
    std::chrono::milliseconds tick_interval{1'000};
    std::uint64_t reserve_bytes = 128u << 20;     ///< read-only below this much free disk
  } metadata;
  struct Blocks {
    std::uint64_t segment_bytes = 1u << 30;
    std::uint64_t index_overlay_bytes = 32u << 20;
    std::uint64_t reserve_bytes = 256u << 20;
    std::chrono::milliseconds collect_interval{std::chrono::hours{6}};
    std::chrono::milliseconds quarantine{std::chrono::hours{24 * 7}};
    double compact_dead_share = 0.5;
    std::uint64_t scrub_bytes_per_second = 8u << 20;
    std::uint32_t sealers = 2;                    ///< threads that check, compress and seal
    std::string key_file;                         ///< default: <data>/block-keys
  } blocks;
  struct Supervision {
    std::uint32_t max_restarts = 5;
    std::chrono::milliseconds window{30'000};
    std::chrono::milliseconds backoff_first{50};
    std::chrono::milliseconds backoff_most{5'000};
  } supervision;
  struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::human;
  } log;
};

/// One thing that is wrong. `line` is 1-based, 0 if it is about no line.
struct ConfigError {
  std::uint32_t line = 0;
  std::string key;                ///< "rpc.listen"
  std::string message;            ///< to be read after the key: "is 0 but must be 1 to 64"
};

struct ConfigResult {
  Config config;                  ///< defaults where the text is silent or wrong
  std::vector<ConfigError> errors;
};

/// Reads TOML. Finds all errors in one pass: unknown keys (with the nearest known one), wrong types,
/// values out of range, combinations that cannot be (plaintext off loopback without `insecure`).
ConfigResult parse_config(std::string_view text);

/// What no value is wrong in alone: plaintext off loopback without `insecure`, half a TLS pair, links without
/// certificates, founders that cannot found, roles that do not go together, a backoff that shrinks.
/// parse_config() includes it; for whoever changes a Config afterwards, such as flags. Lines are 0.
std::vector<ConfigError> check_config(const Config& config);

/// "file:line: key: message" for a terminal; without what an error does not have.
std::string describe(const ConfigError& error, std::string_view file);

/// "name@host:port". bad_config with what is wrong.
Result<NodeAt> parse_node_at(std::string_view text);
std::string to_text(const NodeAt& node);

/// Where the node's Admin interface listens: admin.socket, or the file admin.socket in node.data.
std::string admin_socket_path(const Config& config);

/// Whether `config` says that this node is one of the cluster's founders; without founders and `join` it is the
/// only one.
bool is_founder(const Config& config);
/// cluster.founders in the order of their names, which is the same on all of them however their lists are written.
std::vector<NodeAt> founders_by_name(const Config& config);

/// `configs/reference.toml` as it should be: every key with meaning, unit, range, default and effect.
/// A test holds the file against it.
std::string reference_config();

}  // namespace cairn::cluster
