#include "apps/cairn/command_line.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <sstream>

#include "apps/cairn/completion.hpp"
#include "protocol/names.hpp"
#include "protocol/version.hpp"

namespace cairn::apps {
namespace {

std::string top_footer() {
  return "Paths in the drive are absolute, with or without the first '/'. A target is the new entry itself; written\n"
         "with a '/' behind it is a folder to go into.\n\n"
         "With --json every result is one JSON value a line on standard output: one for a command, or one for each\n"
         "entry, version, device or change that it lists. Errors are {\"error\": {\"code\", \"message\", \"path\"}} "
         "lines on\n"
         "standard error. Progress is shown only if standard error is a terminal.\n\n"
         "Files: $XDG_CONFIG_HOME/cairn (or ~/.config/cairn) keeps the sign-in, for your eyes only.\n\n" +
         exit_code_help() +
         "\nExamples:\n"
         "  cairn login ada --create\n"
         "  cairn put ~/photos /photos\n"
         "  cairn ls -l /photos\n"
         "  cairn get /photos ~/photos-back\n"
         "  cairn sync --watch ~/Cairn /\n";
}

/// CLI11 would read "-5" as a very large number.
const auto no_less_than_zero = CLI::Range(std::int64_t{0}, INT64_MAX);

std::string examples_text(const std::string& examples) { return examples.empty() ? "" : "Examples:\n" + examples; }

}  // namespace

template <class C>
std::pair<CLI::App*, std::shared_ptr<C>> CommandLine::add(CLI::App& above, const std::string& name,
                                                          const std::string& meaning, const std::string& examples) {
  auto* sub = above.add_subcommand(name, meaning);
  auto command = std::make_shared<C>();
  // So that --json and its like may stand behind the command too.
  sub->fallthrough();
  sub->footer(examples_text(examples));
  sub->final_callback([this, sub, command] {
    // The word of a nested command wins over that of the one above it.
    if (sub->get_subcommands().empty()) read_.command = *command;
  });
  return {sub, command};
}

CommandLine::CommandLine()
    : app_(std::make_unique<CLI::App>("Your drive on a Cairn server.", "cairn")),
      patience_seconds_(static_cast<std::uint64_t>(read_.globals.patience.count())) {
  auto& app = *app_;
  app.set_version_flag("--version", "cairn " + std::string(version), "Show the version and end");
  app.set_help_flag("-h,--help", "Show this help and end");
  app.require_subcommand(1);
  app.footer(&top_footer);
  app.add_option("--server", read_.globals.server, "The server's address and port, other than that of the sign-in")
      ->type_name("ADDRESS");
  app.add_flag("--json", read_.globals.json, "Results as JSON, one value a line");
  app.add_flag("-q,--quiet", read_.globals.quiet, "No progress and no remarks, only results and errors");
  app.add_option("--patience", patience_seconds_, "Seconds to wait for a server that does not answer (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400));
  add_account_commands();
  add_entry_commands();
  add_past_commands();
  add_transfer_commands();
  add_other_commands();
  add_admin_commands();
  add_cluster_commands();
}

CommandLine::~CommandLine() = default;

void CommandLine::add_account_commands() {
  {
    auto [sub, command] = add<Login>(*app_, "login", "Sign in, and stay signed in on this machine",
                                     "  cairn login ada --create\n"
                                     "  cairn login ada --server files.example.org:7420 --tls\n"
                                     "  pass show cairn | cairn login ada --password-stdin\n");
    sub->add_option("login", command->login, "Your login; without it that of the last sign-in, or your user name here")
        ->type_name("LOGIN");
    sub->add_flag("--create", command->create, "Make the account first, if it is not there");
    sub->add_option("--device", command->device, "What this machine is called in lists and conflicts (its host name)")
        ->type_name("NAME");
    sub->add_flag("--password-stdin", command->password_stdin, "Read the password from standard input, one line");
    sub->add_flag("--tls", command->tls, "Speak TLS; needed for a server on another machine");
    sub->add_option("--tls-ca", command->tls_ca, "PEM file of the certificates to trust instead of the system's")
        ->type_name("FILE");
    sub->add_option("--tls-name", command->tls_name, "The name expected in the server's certificate")
        ->type_name("NAME");
    sub->add_flag("--insecure", command->insecure, "Send everything readable by others to a server elsewhere");
  }
  add<Logout>(*app_, "logout", "Sign out: the token is revoked and forgotten");
  {
    auto [sub, command] = add<Passwd>(*app_, "passwd", "Change the password; other devices are signed out");
    sub->add_flag("--password-stdin", command->password_stdin,
                  "Read the old and the new password from standard input, a line each");
  }
  {
    auto [sub, command] = add<ListDevices>(*app_, "devices", "List the devices that are signed in",
                                           "  cairn devices\n  cairn devices revoke 1f2e3d4c5b6a7988\n");
    sub->require_subcommand(0, 1);
    auto [revoke, revoked] = add<RevokeDevice>(*sub, "revoke", "Sign out another device");
    revoke->add_option("id", revoked->id, "The device's id, as cairn devices shows it")->required()->type_name("ID");
  }
  add<Df>(*app_, "df", "Show how much of the quota is used");
}

void CommandLine::add_entry_commands() {
  {
    auto [sub, command] =
        add<Ls>(*app_, "ls", "List folders", "  cairn ls\n  cairn ls -l /photos\n  cairn ls -R --json /\n");
    sub->add_option("paths", command->paths, "Folders or files (/)")->type_name("PATH");
    sub->add_flag("-l,--long", command->details, "With mode, size and time");
    sub->add_flag("-R,--recursive", command->recursive, "With everything below");
  }
  {
    auto [sub, command] = add<Stat>(*app_, "stat", "Show all there is to know about entries");
    sub->add_option("paths", command->paths, "Entries")->required()->type_name("PATH");
  }
  {
    auto [sub, command] = add<Mkdir>(*app_, "mkdir", "Make folders", "  cairn mkdir -p /photos/2025/may\n");
    sub->add_option("paths", command->paths, "Folders to make")->required()->type_name("PATH");
    sub->add_flag("-p,--parents", command->parents, "Make those above too; what is there already is fine");
  }
  {
    auto [sub, command] = add<Mv>(*app_, "mv", "Move or rename entries; nothing is ever replaced",
                                  "  cairn mv /draft.txt /final.txt\n  cairn mv /a /b /archive/\n");
    sub->add_option("paths", command->paths, "The entries, and behind them the target")
        ->required()
        ->expected(2, 1'000'000)
        ->type_name("PATH");
  }
  {
    auto [sub, command] =
        add<Rm>(*app_, "rm", "Move entries to the trash", "  cairn rm /old.txt\n  cairn rm -r /old-folder\n");
    sub->add_option("paths", command->paths, "Entries")->required()->type_name("PATH");
    sub->add_flag("-r,--recursive", command->recursive, "Folders too, with all that is in them");
    sub->add_flag("-f,--force", command->force, "What is not there is fine");
  }
}

void CommandLine::add_past_commands() {
  {
    auto [sub, command] = add<History>(*app_, "history", "List the kept versions of a file, newest first");
    sub->add_option("path", command->path, "A file")->required()->type_name("PATH");
  }
  {
    auto [sub, command] = add<Revert>(*app_, "revert", "Make an older version of a file the current one again",
                                      "  cairn history /report.txt\n  cairn revert /report.txt 3\n");
    sub->add_option("path", command->path, "A file")->required()->type_name("PATH");
    sub->add_option("version", command->version, "The version's number")->required()->type_name("VERSION");
  }
  {
    auto [sub, command] = add<Restore>(*app_, "restore", "Take entries out of the trash, to where they were",
                                       "  cairn trash\n  cairn restore old.txt\n  cairn restore 1234\n");
    sub->add_option("entries", command->names, "Names or ids, as cairn trash shows them")
        ->required()
        ->type_name("ENTRY");
  }
  {
    auto [sub, command] = add<ListTrash>(*app_, "trash", "List the trash, or empty it",
                                         "  cairn trash\n  cairn trash purge old.txt\n  cairn trash empty --yes\n");
    (void)command;
    sub->require_subcommand(0, 1);
    auto [empty, emptied] = add<EmptyTrash>(*sub, "empty", "Delete everything in the trash for good");
    empty->add_flag("--yes", emptied->yes, "Yes, for good");
    auto [purge, purged] = add<Purge>(*sub, "purge", "Delete entries in the trash for good");
    purge->add_option("entries", purged->names, "Names or ids, as cairn trash shows them")
        ->required()
        ->type_name("ENTRY");
  }
}

void CommandLine::add_transfer_commands() {
  {
    auto [sub, command] = add<Put>(*app_, "put", "Store files and folders in the drive",
                                   "  cairn put report.pdf                  as /report.pdf\n"
                                   "  cairn put ~/photos /pictures          the folder's content becomes /pictures\n"
                                   "  cairn put ~/photos /pictures/         as /pictures/photos\n"
                                   "  cairn put *.jpg /pictures/\n");
    sub->add_option("paths", command->paths, "What to store, and behind it the target in the drive (/)")
        ->required()
        ->type_name("LOCAL");
    sub->add_flag("-c,--checksum", command->checksum, "Read every file, also where size, mode and time are the same");
    sub->add_flag("-p,--parents", command->parents, "Make the folders above the target");
  }
  {
    auto [sub, command] =
        add<Get>(*app_, "get", "Fetch files and folders from the drive",
                 "  cairn get /report.pdf                 into this folder\n"
                 "  cairn get /pictures ~/photos-back     the folder's content becomes ~/photos-back\n"
                 "  cairn get /report.pdf old.pdf --version 3\n");
    sub->add_option("paths", command->paths, "What to fetch, and behind it the local target (.)")
        ->required()
        ->type_name("LOCAL");
    sub->add_option("--version", command->version, "That version of a file")->type_name("VERSION");
    sub->add_flag("--replace", command->replace, "Replace local files that are different");
    sub->add_flag("-c,--checksum", command->checksum, "Read every file, also where size, mode and time are the same");
  }
  {
    auto [sub, command] =
        add<Cat>(*app_, "cat", "Write a file to standard output",
                 "  cairn cat /log.txt | tail\n  cairn cat /video --offset 1000000 --bytes 4096 > part\n");
    sub->add_option("path", command->path, "A file")->required()->type_name("PATH");
    sub->add_option("--version", command->version, "That version instead of the current one")->type_name("VERSION");
    sub->add_option("--offset", command->offset, "Skip so many bytes")->type_name("BYTES")->check(no_less_than_zero);
    sub->add_option("--bytes", command->bytes, "So many bytes, not all (0: to the end)")
        ->type_name("BYTES")
        ->check(no_less_than_zero);
  }
  {
    auto [sub, command] = add<Sync>(*app_, "sync", "Make a local folder and a folder of the drive the same, both ways",
                                    "  cairn sync ~/Cairn                    with the top of the drive\n"
                                    "  cairn sync --watch ~/work /work       and again with every change\n"
                                    "  cairn sync --dry-run ~/work /work\n");
    sub->add_option("local", command->local, "The local folder")->required()->type_name("LOCAL");
    sub->add_option("remote", command->remote, "The folder in the drive (/)")->type_name("PATH");
    sub->add_flag("-w,--watch", command->watch, "Go on until interrupted");
    sub->add_flag("-n,--dry-run", command->dry_run, "Only show what would be done");
    sub->add_flag("-c,--checksum", command->checksum, "Read every file, also where size, mode and time are the same");
  }
}

void CommandLine::add_other_commands() {
  {
    auto [sub, command] = add<Watch>(*app_, "watch", "Show changes of the drive as they happen",
                                     "  cairn watch\n  cairn watch --json --from 0\n");
    sub->add_option("--from", command->from, "Begin after this change; 0 is the first (now)")->type_name("CURSOR");
  }
  {
    auto [sub, command] = add<Completion>(*app_, "completion", "Write a completion script for a shell",
                                          "  source <(cairn completion bash)\n"
                                          "  cairn completion zsh > ~/.zfunc/_cairn\n"
                                          "  cairn completion fish | source\n");
    sub->add_option("shell", command->shell, "bash, zsh or fish")
        ->required()
        ->type_name("bash|zsh|fish")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  }
}

void CommandLine::add_admin_commands() {
  auto* admin = app_->add_subcommand("admin", "Run a cluster: its certificates, its settings, its nodes");
  admin->fallthrough();
  admin->require_subcommand(1);
  admin->footer(
      examples_text("  cairn admin init-ca\n"
                    "  cairn admin issue node-1 --out node-1\n"
                    "  cairn admin drain node-3\n"
                    "  cairn admin set dead-after-millis 5000 --socket cairn-data/admin.socket\n"));
  {
    auto [sub, command] = add<InitAuthority>(*admin, "init-ca", "Make a new cluster's certificate authority",
                                             "  cairn admin init-ca                   in ./cairn-ca\n"
                                             "  cairn admin init-ca /mnt/usb/cairn-ca\n");
    sub->add_option("folder", command->folder, "Where ca.pem and ca.key are put (cairn-ca); keep ca.key off the nodes")
        ->type_name("LOCAL");
  }
  {
    auto [sub, command] =
        add<IssueCertificate>(*admin, "issue", "Issue a node's certificate, by which other nodes know it",
                              "  cairn admin issue node-1\n"
                              "  cairn admin issue node-1 --ca /mnt/usb/cairn-ca --out /etc/cairn\n");
    sub->add_option("node", command->node, "The node's name: a-z, 0-9, - and .")->required()->type_name("NODE");
    sub->add_option("--ca", command->authority, "The folder of ca.pem and ca.key (cairn-ca)")->type_name("LOCAL");
    sub->add_option("--out", command->out, "Where NODE.pem and NODE.key are put (.)")->type_name("LOCAL");
  }
  const auto to_node = [](CLI::App* sub, AdminOf& of) {
    sub->add_option("--socket", of.socket, "The Admin socket of the node to speak to")->type_name("FILE");
    sub->add_option("--data", of.data, "Else any node of the cluster in this folder (cairn-cluster)")
        ->type_name("LOCAL");
  };
  {
    auto [sub, command] =
        add<AdminSet>(*admin, "set", "Change a setting of the cluster; cairn cluster status lists them");
    sub->add_option("name", command->name, "The setting")->required()->type_name("NAME");
    sub->add_option("value", command->value, "Its value; without it the default again")->type_name("VALUE");
    to_node(sub, command->of);
  }
  {
    auto [sub, command] = add<AdminDrain>(*admin, "drain", "Have a node's replicas moved to others",
                                          "  cairn admin drain node-3\n  cairn admin drain node-3 --undo\n");
    sub->add_option("node", command->node, "The node's name")->required()->type_name("NODE");
    sub->add_flag("--undo", command->undo, "Let it hold replicas again");
    to_node(sub, command->of);
  }
  {
    auto [sub, command] = add<AdminTransfer>(*admin, "transfer", "Hand the leadership of a shard to another node",
                                             "  cairn admin transfer 2 node-3\n");
    sub->add_option("shard", command->shard, "The shard's number")->required()->type_name("SHARD");
    sub->add_option("node", command->node, "A node with a replica of it")->required()->type_name("NODE");
    to_node(sub, command->of);
  }
  {
    auto [sub, command] = add<AdminRestart>(*admin, "restart", "Restart an actor of one node",
                                            "  cairn admin restart router --socket cairn-data/admin.socket\n");
    sub->add_option("actor", command->actor, "Its name, as cairn cluster status --json shows it")
        ->required()
        ->type_name("ACTOR");
    sub->add_option("--socket", command->of.socket, "The Admin socket of the node")->required()->type_name("FILE");
  }
}

void CommandLine::add_cluster_commands() {
  auto* cluster = app_->add_subcommand("cluster", "Start, watch and stop a cluster on this machine");
  cluster->fallthrough();
  cluster->require_subcommand(1);
  cluster->footer(
      examples_text("  cairn cluster up configs/three-nodes\n"
                    "  cairn cluster status --watch\n"
                    "  cairn cluster down\n"));
  const auto folder = [](CLI::App* sub, std::string& data) {
    sub->add_option("--data", data, "The cluster's folder: data, certificates, logs, pid files (cairn-cluster)")
        ->type_name("LOCAL");
  };
  {
    auto [sub, command] =
        add<ClusterUp>(*cluster, "up", "Start the nodes of these configurations, and wait till they serve",
                       "  cairn cluster up configs/three-nodes\n"
                       "  cairn cluster up configs/three-nodes/node-2.toml   that one again\n"
                       "  cairn cluster up configs/five-nodes --data /srv/cairn\n");
    sub->add_option("configs", command->configs, "Configuration files, or folders of *.toml: one for each node")
        ->required()
        ->type_name("LOCAL");
    folder(sub, command->data);
    sub->add_option("--cairnd", command->cairnd, "The server program (beside this one, else on the PATH)")
        ->type_name("FILE");
    sub->add_option("--wait", command->wait_seconds, "Seconds till all must serve (60)")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 86'400));
  }
  {
    auto [sub, command] = add<ClusterDown>(*cluster, "down", "Stop the nodes",
                                           "  cairn cluster down\n  cairn cluster down --delete --yes\n");
    folder(sub, command->data);
    sub->add_option("--wait", command->wait_seconds, "Seconds till all must have stopped (30)")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 86'400));
    sub->add_flag("--force", command->force, "Kill what has not stopped by then");
    sub->add_flag("--delete", command->remove, "Then delete all that the cluster keeps: files, accounts, keys");
    sub->add_flag("--yes", command->yes, "Do not ask before deleting");
  }
  {
    auto [sub, command] = add<ClusterStatus>(*cluster, "status", "Show nodes, shards and what is not as it should be",
                                             "  cairn cluster status\n"
                                             "  cairn cluster status --json | jq .problems\n"
                                             "  cairn cluster status --socket cairn-data/admin.socket\n");
    folder(sub, command->data);
    sub->add_option("--socket", command->sockets, "The Admin sockets of nodes, in place of a cluster's folder")
        ->type_name("FILE");
    sub->add_flag("-w,--watch", command->watch, "Show it again every two seconds, until interrupted");
  }
}

CommandLine::Read CommandLine::read(const std::vector<std::string>& arguments) {
  try {
    // CLI11 takes them from the back.
    app_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    read_.globals.patience = std::chrono::seconds(patience_seconds_);
  } catch (const CLI::ParseError& error) {
    std::stringstream out, err;
    read_.command.reset();
    read_.exit = app_->exit(error, out, err) == 0 ? exit_ok : exit_usage;
    read_.text = read_.exit == exit_ok ? out.str() : err.str();
    if (const auto left = app_->remaining(); app_->get_subcommands().empty() && !left.empty())
      read_.text = "cairn: there is no command \"" + printable(left.front()) + "\"; see cairn --help\n";
  }
  return read_;
}

int run(const Completion& command, Context&) {
  const CommandLine line;
  const auto script = command.shell == "bash"  ? bash_completion(line.tree())
                      : command.shell == "zsh" ? zsh_completion(line.tree())
                                               : fish_completion(line.tree());
  std::fputs(script.c_str(), stdout);
  return exit_ok;
}

}  // namespace cairn::apps
