#include "cluster/config_keys.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

#include "protocol/certificates.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t tib = 1024 * gib;
constexpr std::uint64_t pib = 1024 * tib;
constexpr auto days(int count) { return milliseconds{std::chrono::hours{24 * count}}; }

/// Follows member pointers: at<&Config::rpc, &Config::Rpc::listen>(config).
template <auto... Members>
auto& at(Config& config) {
  return (config.*....*Members);
}
template <auto... Members>
std::uint64_t get_count(const Config& config) {
  return (config.*....*Members);
}
template <auto... Members>
void set_count(Config& config, std::uint64_t count) {
  auto& target = (config.*....*Members);
  target = static_cast<std::remove_reference_t<decltype(target)>>(count);
}
template <auto... Members>
constexpr CountKey count(std::uint64_t least, std::uint64_t most) {
  return {&get_count<Members...>, &set_count<Members...>, least, most};
}
template <auto... Members>
std::size_t get_word(const Config& config) {
  return static_cast<std::size_t>((config.*....*Members));
}
template <auto... Members>
void set_word(Config& config, std::size_t index) {
  auto& target = (config.*....*Members);
  target = static_cast<std::remove_reference_t<decltype(target)>>(index);
}
/// `words` in the order of the enum, which counts from 0.
template <auto... Members>
constexpr WordKey word(std::span<const std::string_view> words) {
  return {words, &get_word<Members...>, &set_word<Members...>};
}

constexpr std::string_view name_range = "1 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends";
constexpr std::string_view label_range = "1 to 64 letters, digits, '-', '_' or '.'";
constexpr std::string_view path_range = "a path of at most 4000 bytes";
constexpr std::string_view optional_path_range = "empty, or a path of at most 4000 bytes";
constexpr std::string_view listen_range =
    "an address and a port: \"127.0.0.1:7420\", \"[::1]:7420\", \"files.example.org:7420\"";

constexpr std::string_view sign_up_words[] = {"off", "loopback", "anyone"};
constexpr std::string_view level_words[] = {"debug", "info", "warning", "error"};
constexpr std::string_view format_words[] = {"human", "json"};

std::optional<std::string> check_label(std::string_view text) {
  if (text.empty() || text.size() > 64) return "must have 1 to 64 characters";
  for (const unsigned char c : text)
    if (!std::isalnum(c) && c != '-' && c != '_' && c != '.') return "may hold only letters, digits, '-', '_' and '.'";
  return {};
}

std::optional<std::string> check_name(std::string_view text) {
  if (check_node_name(text)) return {};
  return "is \"" + printable(text, 80) + "\" but must be " + std::string(name_range);
}

std::optional<std::string> check_path(std::string_view text) {
  if (text.empty()) return "must not be empty";
  if (text.size() > 4'000) return "is longer than 4000 bytes";
  if (text.find('\0') != text.npos) return "must not hold a NUL";
  return {};
}

std::optional<std::string> check_optional_path(std::string_view text) {
  return text.empty() ? std::nullopt : check_path(text);
}

std::optional<std::string> check_listen(std::string_view text) {
  const auto address = parse_listen_address(text);
  return address ? std::nullopt : std::optional(address.error().message);
}

std::optional<std::string> check_optional_listen(std::string_view text) {
  return text.empty() ? std::nullopt : check_listen(text);
}

std::optional<std::string> check_advertise(std::string_view text) {
  if (text.empty()) return {};
  const auto address = parse_peer_address(text);
  return address ? std::nullopt : std::optional(address.error().message);
}

std::vector<std::string> get_roles(const Config& config) { return directory::words_of(config.node.roles); }

std::optional<std::string> set_roles(Config& config, const std::vector<std::string>& words) {
  directory::Roles chosen;
  for (const auto& word : words) {
    const auto* role =
        std::ranges::find(directory::every_role, word, [](auto known) { return directory::to_string(known); });
    if (role == std::end(directory::every_role))
      return "has \"" + printable(word, 80) + "\" but a role is one of gateway, api, block, metadata";
    if (chosen.has(*role)) return "has \"" + word + "\" twice";
    chosen = chosen.with(*role);
  }
  if (words.empty()) return "is empty: a node has at least one role";
  config.node.roles = chosen;
  return {};
}

template <auto Member>
std::vector<std::string> get_nodes(const Config& config) {
  std::vector<std::string> out;
  for (const auto& node : config.cluster.*Member) out.push_back(to_text(node));
  return out;
}

template <auto Member>
std::optional<std::string> set_nodes(Config& config, const std::vector<std::string>& texts) {
  std::vector<NodeAt> nodes;
  for (const auto& text : texts) {
    auto node = parse_node_at(text);
    if (!node) return "has \"" + printable(text, 80) + "\", which " + node.error().message;
    nodes.push_back(std::move(*node));
  }
  config.cluster.*Member = std::move(nodes);
  return {};
}

template <auto Member>
constexpr ListKey nodes(std::string_view range) {
  return {&get_nodes<Member>, &set_nodes<Member>, range, "[\"node-1@127.0.0.1:7511\"]"};
}

constexpr ConfigSection sections[] = {
    {"node", "This node and where it keeps its data."},
    {"link",
     "How other nodes reach this one: mutually authenticated TLS under the cluster's own authority. cairn cluster\n"
     "up makes the certificates, or cairn admin init-ca and issue. Relative paths start where cairnd was started.\n"
     "Without listen the node is a cluster of its own."},
    {"cluster", "The cluster that the node is part of. How it is founded is read once, before it exists."},
    {"admin",
     "The Admin interface (protocol/admin.capnp) of the node's operator: cairn cluster and cairn admin use it."},
    {"rpc", "The port on which clients speak Cap'n Proto RPC; a node without the role api has none."},
    {"accounts", "Who may have an account, and what a new one gets."},
    {"metadata", "The shard that holds accounts, entries and versions: a log and a checkpointed table."},
    {"blocks", "The block store that holds the content of files."},
    {"supervision", "How actors that die are started again."},
    {"log", "What the node writes to standard error."},
};

using C = Config;

const ConfigKey keys[] = {
    {"node", "name",
     "The node's name in the cluster, in its certificate and in logs. No two nodes of a cluster share one, and\n"
     "a node keeps its name as long as its data.",
     TextKey{&at<&C::node, &C::Node::name>, name_range, &check_name}},
    {"node", "data",
     "The directory that holds everything the node keeps, made (mode 0700) if it is absent. A relative\n"
     "path starts where cairnd was started. One process at a time may use it.",
     TextKey{&at<&C::node, &C::Node::data>, path_range, &check_path}},
    {"node", "zone", "The failure zone of the node: copies are spread over zones.",
     TextKey{&at<&C::node, &C::Node::zone>, label_range, &check_label}},
    {"node", "roles",
     "What the node does. metadata holds replicas of the directory and of shards; api serves clients on rpc.listen;\n"
     "block keeps the content of files. In this version api needs block on the same node, as an API node keeps\n"
     "its blocks itself; gateway has no effect yet.",
     ListKey{&get_roles, &set_roles, "a list of \"gateway\", \"api\", \"block\", \"metadata\"",
             "[\"api\", \"block\"]"}},

    {"link", "listen",
     "Where other nodes connect. Needs certificate, key and authority. Empty: no links, and the node is a cluster\n"
     "of its own.",
     TextKey{&at<&C::link, &C::Link::listen>, "empty, or an address and a port: \"10.0.0.1:7421\"",
             &check_optional_listen}},
    {"link", "advertise",
     "The address at which other nodes find this one, if that is not listen: behind a translation of addresses,\n"
     "or when listen is every interface. Empty means what listen bound.",
     TextKey{&at<&C::link, &C::Link::advertise>, "empty, or an address and a port", &check_advertise}},
    {"link", "certificate", "A PEM file with the node's certificate: its common name is node.name.",
     TextKey{&at<&C::link, &C::Link::certificate>, optional_path_range, &check_optional_path}},
    {"link", "key", "A PEM file with the private key of certificate.",
     TextKey{&at<&C::link, &C::Link::key>, optional_path_range, &check_optional_path}},
    {"link", "authority",
     "A PEM file with the certificate of the cluster's authority. Who shows a certificate of another authority\n"
     "is no node of this cluster.",
     TextKey{&at<&C::link, &C::Link::authority>, optional_path_range, &check_optional_path}},

    {"cluster", "founders",
     "The nodes that found the cluster and hold its directory, the same list on each of them and each with the\n"
     "role metadata. A majority of them must live. Others may list them too, to be led to the cluster. Empty\n"
     "together with join: this node alone founds one, which others may join if it has link.listen.",
     nodes<&C::Cluster::founders>("1, 3 or 5 nodes, each \"name@host:port\" with its link address")},
    {"cluster", "join", "Nodes of a cluster that exists, by any of which this one finds it.",
     nodes<&C::Cluster::join>("at most 64 nodes, each \"name@host:port\" with its link address")},
    {"cluster", "shards", "Shards of accounts that the cluster begins with. Read by the founders, once.",
     count<&C::cluster, &C::Cluster::shards>(1, 1'024)},
    {"cluster", "replicas",
     "Copies that are kept of each of those shards as soon as there are nodes enough: an odd number, of which a\n"
     "majority must live. Read by the founders, once.",
     count<&C::cluster, &C::Cluster::replicas>(1, limits::max_wanted_replicas)},

    {"admin", "socket",
     "The Unix-domain socket of the Admin interface (mode 0600). Who may open it is the operator. At most 107\n"
     "bytes. Empty means admin.socket in the data directory.",
     TextKey{&at<&C::admin, &C::Admin::socket>, optional_path_range, &check_optional_path}},

    {"rpc", "listen",
     "Where clients connect. Port 0 takes a free port, which the ready line on standard output tells.\n"
     "An address other than loopback needs tls_certificate and tls_key, or insecure.",
     TextKey{&at<&C::rpc, &C::Rpc::listen>, listen_range, &check_listen}},
    {"rpc", "tls_certificate",
     "A PEM file with the certificate chain that the node shows to clients. Given together with tls_key\n"
     "it makes every connection TLS 1.2 or newer; empty means plaintext.",
     TextKey{&at<&C::rpc, &C::Rpc::tls_certificate>, optional_path_range, &check_optional_path}},
    {"rpc", "tls_key", "A PEM file with the private key of tls_certificate.",
     TextKey{&at<&C::rpc, &C::Rpc::tls_key>, optional_path_range, &check_optional_path}},
    {"rpc", "insecure",
     "Allows plaintext on an address other than loopback. Passwords, tokens and files then cross the\n"
     "network readable by anyone on the way.",
     FlagKey{&at<&C::rpc, &C::Rpc::insecure>}},
    {"rpc", "threads", "Event loops that serve connections, each a thread. More than the cores gains nothing.",
     count<&C::rpc, &C::Rpc::threads>(1, 64)},
    {"rpc", "max_connections",
     "Connections served at a time; more wait in the system's queue. Each needs one open file.",
     count<&C::rpc, &C::Rpc::max_connections>(1, 1'000'000)},
    {"rpc", "max_connections_per_address", "Connections from one address at a time; one more is closed.",
     count<&C::rpc, &C::Rpc::max_connections_per_address>(1, 1'000'000)},
    {"rpc", "sign_in_timeout", "A connection on which nobody has signed in after this long is closed.",
     DurationKey{&at<&C::rpc, &C::Rpc::sign_in_timeout>, 100ms, 1h}},
    {"rpc", "message_timeout",
     "A message that takes longer than this to arrive or to be taken ends its connection; a large one\n"
     "has this long for each 256 KiB.",
     DurationKey{&at<&C::rpc, &C::Rpc::message_timeout>, 100ms, 1h}},
    {"rpc", "callback_timeout",
     "How long a client may take to answer what the server calls: a page of changes, a piece of a\n"
     "download. After that the watch or download ends.",
     DurationKey{&at<&C::rpc, &C::Rpc::callback_timeout>, 100ms, 1h}},

    {"accounts", "sign_up",
     "Who may make an account by themselves: nobody, only who connects from this machine, or anyone.",
     word<&C::accounts, &C::Accounts::sign_up>(sign_up_words)},
    {"accounts", "default_quota",
     "What a new account's drive may hold: the sum of all kept versions, the trash included. Changing\n"
     "it changes no account that exists.",
     SizeKey{&at<&C::accounts, &C::Accounts::default_quota_bytes>, 0, 4096 * pib}},
    {"accounts", "password_operations",
     "Passes of Argon2id over its memory for one password hash. More is slower, for attackers too.\n"
     "Hashes made before a change stay valid.",
     count<&C::accounts, &C::Accounts::password_cost, &PasswordCost::operations>(1, 64)},
    {"accounts", "password_memory",
     "Memory of Argon2id for one password hash; password_threads times as much may be in use.",
     SizeKey{&at<&C::accounts, &C::Accounts::password_cost, &PasswordCost::memory_bytes>, 64 * kib, 4 * gib}},
    {"accounts", "password_threads", "Passwords that are checked at a time; more wait, and past a bound are told busy.",
     count<&C::accounts, &C::Accounts::password_threads>(1, 64)},

    {"metadata", "log_segment",
     "Size of one log segment file, preallocated. Space of the log returns in whole segments.",
     SizeKey{&at<&C::metadata, &C::Metadata::log_segment_bytes>, 64 * mib, 2 * gib}},
    {"metadata", "checkpoint_overlay",
     "A checkpoint begins at the latest when the rows changed since the last one take this much memory; for a\n"
     "smaller shard sooner, at a sixteenth of what it stores, but not below 16MiB; the first one after a start sooner\n"
     "still, since replicas take turns. Larger means fewer and longer checkpoints.",
     SizeKey{&at<&C::metadata, &C::Metadata::checkpoint_overlay_bytes>, 1 * mib, 16 * gib}},
    {"metadata", "checkpoint_log",
     "A checkpoint begins when the log since the last one takes this much disk. It bounds what a start\n"
     "must replay.",
     SizeKey{&at<&C::metadata, &C::Metadata::checkpoint_log_bytes>, 1 * mib, 1 * tib}},
    {"metadata", "checkpoint_interval",
     "A checkpoint begins at the latest this long after the last, if anything changed.",
     DurationKey{&at<&C::metadata, &C::Metadata::checkpoint_interval>, 100ms, days(1)}},
    {"metadata", "trash_retention", "How long a removed entry stays in the trash before it is purged.",
     DurationKey{&at<&C::metadata, &C::Metadata::trash_retention>, 0ms, days(3650)}},
    {"metadata", "version_retention",
     "How long a version that is no longer current is kept. At most 1000 versions of a file are kept.",
     DurationKey{&at<&C::metadata, &C::Metadata::version_retention>, 0ms, days(3650)}},
    {"metadata", "tick_interval", "How often purges and expired retention are worked off, a bounded piece each time.",
     DurationKey{&at<&C::metadata, &C::Metadata::tick_interval>, 10ms, 1h}},
    {"metadata", "reserve",
     "Below this much free disk changes are refused (disk_full) while reads go on; they resume by\n"
     "themselves when there is room again.",
     SizeKey{&at<&C::metadata, &C::Metadata::reserve_bytes>, 0, 1 * tib}},

    {"blocks", "segment", "Size of one segment file of blocks. Space returns by compacting whole segments.",
     SizeKey{&at<&C::blocks, &C::Blocks::segment_bytes>, 16 * mib, 2 * gib}},
    {"blocks", "index_overlay",
     "The index is checkpointed when its changes take this much memory; a start re-reads what came after.",
     SizeKey{&at<&C::blocks, &C::Blocks::index_overlay_bytes>, 1 * mib, 16 * gib}},
    {"blocks", "reserve", "Below this much free disk blocks are refused (disk_full) while reads go on.",
     SizeKey{&at<&C::blocks, &C::Blocks::reserve_bytes>, 0, 1 * tib}},
    {"blocks", "collect_interval", "How often blocks that no version names any more are looked for.",
     DurationKey{&at<&C::blocks, &C::Blocks::collect_interval>, 1s, days(30)}},
    {"blocks", "quarantine", "How long an unreferenced block is kept before it is deleted.",
     DurationKey{&at<&C::blocks, &C::Blocks::quarantine>, 0ms, days(365)}},
    {"blocks", "compact_dead_share",
     "A segment is rewritten when this share of it is dead. Smaller saves disk and costs writing.",
     ShareKey{&at<&C::blocks, &C::Blocks::compact_dead_share>, 0.05, 1.0}},
    {"blocks", "scrub_per_second", "Bytes a second that are re-read and checked against rot; \"0B\" turns that off.",
     SizeKey{&at<&C::blocks, &C::Blocks::scrub_bytes_per_second>, 0, 16 * gib}},
    {"blocks", "sealers", "Threads that check, compress and seal blocks.",
     count<&C::blocks, &C::Blocks::sealers>(1, 256)},
    {"blocks", "key_file",
     "The keys that seal blocks; made at the first start with mode 0600. Without it the blocks cannot be\n"
     "read by anyone: keep a copy elsewhere. Empty means block-keys in the data directory.",
     TextKey{&at<&C::blocks, &C::Blocks::key_file>, optional_path_range, &check_optional_path}},

    {"supervision", "max_restarts",
     "Restarts of one actor within window before its supervisor gives up and fails itself; at the top\n"
     "the process ends.",
     count<&C::supervision, &C::Supervision::max_restarts>(0, 1'000)},
    {"supervision", "window", "The time over which restarts are counted.",
     DurationKey{&at<&C::supervision, &C::Supervision::window>, 1ms, days(1)}},
    {"supervision", "backoff_first", "Pause before the first restart; it doubles with each, with some jitter.",
     DurationKey{&at<&C::supervision, &C::Supervision::backoff_first>, 1ms, 1h}},
    {"supervision", "backoff_most", "The longest pause before a restart; not below backoff_first.",
     DurationKey{&at<&C::supervision, &C::Supervision::backoff_most>, 1ms, 1h}},

    {"log", "level", "The least serious lines that are written.", word<&C::log, &C::Log::level>(level_words)},
    {"log", "format", "Lines for people, or one JSON object a line.", word<&C::log, &C::Log::format>(format_words)},
};

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit size_units[] = {{"PiB", pib}, {"TiB", tib}, {"GiB", gib}, {"MiB", mib}, {"KiB", kib}, {"B", 1}};
constexpr Unit duration_units[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

std::string with_unit(std::uint64_t number, std::span<const Unit> units, std::string_view of_zero) {
  if (number == 0) return "0" + std::string(of_zero);
  for (const auto& unit : units)
    if (number % unit.factor == 0) return std::to_string(number / unit.factor) + std::string(unit.name);
  return std::to_string(number);
}

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return {};
  const auto name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& unit : units) {
    if (unit.name != name) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product) || product > INT64_MAX) return {};
    return product;
  }
  return {};
}

std::string number_text(double number) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.15g", number);
  std::string text = buffer;
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::span<const ConfigSection> config_sections() { return sections; }
std::span<const ConfigKey> config_keys() { return keys; }

Result<NodeAt> parse_node_at(std::string_view text) {
  const auto sign = text.find('@');
  if (sign == text.npos) return Error{Errc::bad_config, "has no '@': write name@host:port"};
  auto name = directory::NodeName::parse(text.substr(0, sign));
  if (!name) return Error{Errc::bad_config, "has a name that is not " + std::string(name_range)};
  const auto address = parse_peer_address(text.substr(sign + 1));
  if (!address) return address.error();
  return NodeAt{std::move(*name), std::string(text.substr(sign + 1))};
}

std::string to_text(const NodeAt& node) { return node.name.text() + "@" + node.address; }

std::string size_text(std::uint64_t bytes) { return with_unit(bytes, size_units, "B"); }
std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_with_unit(text, size_units); }

std::string duration_text(milliseconds duration) {
  return with_unit(static_cast<std::uint64_t>(duration.count()), duration_units, "s");
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const auto number = parse_with_unit(text, duration_units);
  if (!number) return {};
  return milliseconds{static_cast<std::int64_t>(*number)};
}

std::string range_text(const ConfigKey& key) {
  return std::visit(
      Overloaded{
          [](const TextKey& k) { return std::string(k.range); },
          [](const FlagKey&) { return std::string("true or false"); },
          [](const CountKey& k) { return std::to_string(k.least) + " to " + std::to_string(k.most); },
          [](const SizeKey& k) { return quoted(size_text(k.least)) + " to " + quoted(size_text(k.most)); },
          [](const DurationKey& k) { return quoted(duration_text(k.least)) + " to " + quoted(duration_text(k.most)); },
          [](const ShareKey& k) { return number_text(k.least) + " to " + number_text(k.most); },
          [](const WordKey& k) {
            std::string text = "one of";
            for (const auto word : k.words) text += (text == "one of" ? " " : ", ") + quoted(word);
            return text;
          },
          [](const ListKey& k) { return std::string(k.range); },
      },
      key.value);
}

std::string value_text(const ConfigKey& key, const Config& config) {
  // The accessors give mutable references; this one is only read through.
  auto& c = const_cast<Config&>(config);
  return std::visit(Overloaded{
                        [&](const TextKey& k) { return quoted(k.at(c)); },
                        [&](const FlagKey& k) { return std::string(k.at(c) ? "true" : "false"); },
                        [&](const CountKey& k) { return std::to_string(k.get(c)); },
                        [&](const SizeKey& k) { return quoted(size_text(k.at(c))); },
                        [&](const DurationKey& k) { return quoted(duration_text(k.at(c))); },
                        [&](const ShareKey& k) { return number_text(k.at(c)); },
                        [&](const WordKey& k) { return quoted(k.words[k.get(c)]); },
                        [&](const ListKey& k) {
                          std::string list;
                          for (const auto& text : k.get(c)) list += (list.empty() ? "" : ", ") + quoted(text);
                          return "[" + list + "]";
                        },
                    },
                    key.value);
}

}  // namespace cairn::cluster
