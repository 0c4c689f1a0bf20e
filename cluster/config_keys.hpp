// The closed list of configuration keys: for each where its value lives in Config, what values it may
// have, and what the reference says about it. Reading (config.cpp) and the reference are made from this
// one table. Immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "cluster/config.hpp"

namespace cairn::cluster {

/// Free text; `check` gives what is wrong with a value, or nothing.
struct TextKey {
  std::string& (*at)(Config&);
  std::string_view range;
  std::optional<std::string> (*check)(std::string_view);
};

struct FlagKey {
  bool& (*at)(Config&);
};

/// A whole number.
struct CountKey {
  std::uint64_t (*get)(const Config&);
  void (*set)(Config&, std::uint64_t);
  std::uint64_t least;
  std::uint64_t most;
};

/// Bytes, written with their unit: "64MiB".
struct SizeKey {
  std::uint64_t& (*at)(Config&);
  std::uint64_t least;
  std::uint64_t most;
};

/// Written with its unit: "30s".
struct DurationKey {
  std::chrono::milliseconds& (*at)(Config&);
  std::chrono::milliseconds least;
  std::chrono::milliseconds most;
};

/// A part of a whole, 0 to 1.
struct ShareKey {
  double& (*at)(Config&);
  double least;
  double most;
};

/// One of a few words; `set` is false for any other.
struct WordKey {
  std::span<const std::string_view> words;
  std::size_t (*get)(const Config&);
  void (*set)(Config&, std::size_t);
};

/// Texts, each of which `set` understands; it gives what is wrong with one, or nothing.
struct ListKey {
  std::vector<std::string> (*get)(const Config&);
  std::optional<std::string> (*set)(Config&, const std::vector<std::string>&);
  std::string_view range;
  std::string_view example;       ///< as TOML writes it
};

struct ConfigKey {
  std::string_view section;
  std::string_view name;
  /// What it is and what it does, in lines for the reference.
  std::string_view meaning;
  std::variant<TextKey, FlagKey, CountKey, SizeKey, DurationKey, ShareKey, WordKey, ListKey> value;
};

struct ConfigSection {
  std::string_view name;
  std::string_view meaning;
};

/// In the order of the reference.
std::span<const ConfigSection> config_sections();
std::span<const ConfigKey> config_keys();

/// The keys that together are wrong when check_config() blames `key`, which is the first of them.
std::span<const std::string_view> keys_checked_with(std::string_view key);

/// "64MiB" for 67108864: the largest unit that divides the number.
std::string size_text(std::uint64_t bytes);
/// Nothing unless `text` is digits and one of B, KiB, MiB, GiB, TiB, PiB.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "30s" for 30000: the largest unit that divides the number.
std::string duration_text(std::chrono::milliseconds duration);
/// Nothing unless `text` is digits and one of ms, s, m, h, d.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// A sentence part for the value's range: "1 to 64", "one of: human, json".
std::string range_text(const ConfigKey& key);

/// The value of `key` in `config` as TOML writes it.
std::string value_text(const ConfigKey& key, const Config& config);

}  // namespace cairn::cluster
