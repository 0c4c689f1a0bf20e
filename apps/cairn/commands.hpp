// What the command line can be asked to do: one plain struct a command, filled by command_line.cpp and
// carried out by run(). Plain values, any thread; run() belongs to the main thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "apps/cairn/context.hpp"

namespace cairn::apps {

struct Login {
  std::string login;   ///< "": the one of the last sign-in, else the user's name on this machine
  std::string device;  ///< "": the name of this machine
  bool create = false;
  bool password_stdin = false;
  bool tls = false;
  std::string tls_ca;  ///< PEM file
  std::string tls_name;
  bool insecure = false;
};
struct Logout {};
struct Passwd {
  bool password_stdin = false;
};
struct ListDevices {};
struct RevokeDevice {
  std::string id;
};
struct Df {};

struct Ls {
  std::vector<std::string> paths;
  bool details = false;
  bool recursive = false;
};
struct Stat {
  std::vector<std::string> paths;
};
struct Mkdir {
  std::vector<std::string> paths;
  bool parents = false;
};
struct Mv {
  std::vector<std::string> paths;
};  ///< the last is the target
struct Rm {
  std::vector<std::string> paths;
  bool recursive = false;
  bool force = false;
};
struct History {
  std::string path;
};
struct Revert {
  std::string path;
  std::uint32_t version = 0;
};
struct Restore {
  std::vector<std::string> names;
};
struct ListTrash {};
struct EmptyTrash {
  bool yes = false;
};
struct Purge {
  std::vector<std::string> names;
};

struct Put {
  std::vector<std::string> paths;  ///< local ones, then the remote one unless there is but one
  bool checksum = false;
  bool parents = false;
};
struct Get {
  std::vector<std::string> paths;  ///< remote ones, then the local one unless there is but one
  std::uint32_t version = 0;
  bool replace = false;
  bool checksum = false;
};
struct Cat {
  std::string path;
  std::uint32_t version = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};
struct Sync {
  std::string local;
  std::string remote = "/";
  bool watch = false;
  bool dry_run = false;
  bool checksum = false;
};
struct Watch {
  std::string from;
};  ///< a cursor; "": from now on
struct Completion {
  std::string shell;
};

struct InitAuthority {
  std::string folder = "cairn-ca";
};
struct IssueCertificate {
  std::string node;
  std::string authority = "cairn-ca";  ///< the folder of init-ca
  std::string out = ".";               ///< folder
};

/// Where `cairn cluster up` keeps a cluster.
inline const std::string default_cluster_folder = "cairn-cluster";

struct ClusterUp {
  std::vector<std::string> configs;  ///< files, or folders of them
  std::string data = default_cluster_folder;
  std::string cairnd;  ///< "": beside this program, else as the shell would find it
  std::uint64_t wait_seconds = 60;
};
struct ClusterDown {
  std::string data = default_cluster_folder;
  std::uint64_t wait_seconds = 30;
  bool force = false;
  bool remove = false;  ///< all that the cluster keeps
  bool yes = false;
};
struct ClusterStatus {
  std::string data = default_cluster_folder;
  std::vector<std::string> sockets;  ///< in place of those of the folder
  bool watch = false;
};
/// Which node an operator speaks to: the one at `socket`, or any of the cluster in `data`.
struct AdminOf {
  std::string socket;
  std::string data = default_cluster_folder;
};
struct AdminSet {
  std::string name;
  std::string value;
  AdminOf of;
};
struct AdminDrain {
  std::string node;
  bool undo = false;
  AdminOf of;
};
struct AdminTransfer {
  std::uint32_t shard = 0;
  std::string node;
  AdminOf of;
};
struct AdminRestart {
  std::string actor;
  AdminOf of;
};

using Command = std::variant<Login, Logout, Passwd, ListDevices, RevokeDevice, Df, Ls, Stat, Mkdir, Mv, Rm, History,
                             Revert, Restore, ListTrash, EmptyTrash, Purge, Put, Get, Cat, Sync, Watch, Completion,
                             InitAuthority, IssueCertificate, ClusterUp, ClusterDown, ClusterStatus, AdminSet,
                             AdminDrain, AdminTransfer, AdminRestart>;

// Each does its work, says what it did, and answers the exit code (exit_codes.hpp).

int run(const Login& command, Context& context);
int run(const Logout& command, Context& context);
int run(const Passwd& command, Context& context);
int run(const ListDevices& command, Context& context);
int run(const RevokeDevice& command, Context& context);
int run(const Df& command, Context& context);
int run(const Ls& command, Context& context);
int run(const Stat& command, Context& context);
int run(const Mkdir& command, Context& context);
int run(const Mv& command, Context& context);
int run(const Rm& command, Context& context);
int run(const History& command, Context& context);
int run(const Revert& command, Context& context);
int run(const Restore& command, Context& context);
int run(const ListTrash& command, Context& context);
int run(const EmptyTrash& command, Context& context);
int run(const Purge& command, Context& context);
int run(const Put& command, Context& context);
int run(const Get& command, Context& context);
int run(const Cat& command, Context& context);
int run(const Sync& command, Context& context);
int run(const Watch& command, Context& context);
int run(const Completion& command, Context& context);
int run(const InitAuthority& command, Context& context);
int run(const IssueCertificate& command, Context& context);
int run(const ClusterUp& command, Context& context);
int run(const ClusterDown& command, Context& context);
int run(const ClusterStatus& command, Context& context);
int run(const AdminSet& command, Context& context);
int run(const AdminDrain& command, Context& context);
int run(const AdminTransfer& command, Context& context);
int run(const AdminRestart& command, Context& context);

}  // namespace cairn::apps
