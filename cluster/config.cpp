#include "cluster/config.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <map>

#include "cluster/config_keys.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

constexpr std::size_t max_config_bytes = 1u << 20;

std::string full_name(const ConfigKey& key) { return std::string(key.section) + "." + std::string(key.name); }

/// Edits (insert, delete, replace, swap of neighbours) that make `a` of `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 64);
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// The known key closest to `section`.`name`, by its whole name or, in another section, by its last part.
std::string nearest_key(std::string_view section, std::string_view name) {
  std::string best;
  auto best_distance = std::string::npos;
  for (const auto& key : config_keys()) {
    const auto distance = edit_distance(name, key.name) + (section == key.section ? 0 : 1);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = full_name(key);
  }
  return best;
}

std::string nearest_section(std::string_view name) {
  const auto all = config_sections();
  return std::string(std::ranges::min_element(all, {}, [&](const ConfigSection& section) {
                       return edit_distance(name, section.name);
                     })->name);
}

std::string_view type_word(toml::node_type type) {
  switch (type) {
    case toml::node_type::none:
      return "nothing";
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time of day";
    case toml::node_type::date_time:
      return "a date";
  }
  return "nothing";
}

/// Sets one key from its node, or says what is wrong with it. Each overload is one kind of value.
struct Assign {
  Config& config;
  const toml::node& node;
  std::string range;

  std::optional<std::string> wrong_type(std::string_view wanted) const {
    return "must be " + std::string(wanted) + " (" + range + "), not " + std::string(type_word(node.type()));
  }
  std::string out_of_range(std::string_view value) const {
    return "is " + printable(value, 80) + " but must be " + range;
  }

  std::optional<std::string> operator()(const TextKey& key) const {
    const auto text = node.value_exact<std::string>();
    if (!text) return wrong_type("text");
    if (auto wrong = key.check(*text)) return wrong;
    key.at(config) = *text;
    return {};
  }
  std::optional<std::string> operator()(const FlagKey& key) const {
    const auto flag = node.value_exact<bool>();
    if (!flag) return "must be true or false, not " + std::string(type_word(node.type()));
    key.at(config) = *flag;
    return {};
  }
  std::optional<std::string> operator()(const CountKey& key) const {
    const auto number = node.value_exact<std::int64_t>();
    if (!number) return wrong_type("a whole number");
    if (*number < 0 || static_cast<std::uint64_t>(*number) < key.least ||
        static_cast<std::uint64_t>(*number) > key.most)
      return out_of_range(std::to_string(*number));
    key.set(config, static_cast<std::uint64_t>(*number));
    return {};
  }
  std::optional<std::string> operator()(const SizeKey& key) const {
    const auto text = node.value_exact<std::string>();
    if (!text) return wrong_type("a size with its unit, such as \"64MiB\"");
    const auto bytes = parse_size(*text);
    if (!bytes)
      return "is \"" + printable(*text, 80) + "\" but must be a whole number and one of B, KiB, MiB, GiB, TiB, PiB";
    if (*bytes < key.least || *bytes > key.most) return out_of_range("\"" + *text + "\"");
    key.at(config) = *bytes;
    return {};
  }
  std::optional<std::string> operator()(const DurationKey& key) const {
    const auto text = node.value_exact<std::string>();
    if (!text) return wrong_type("a duration with its unit, such as \"30s\"");
    const auto duration = parse_duration(*text);
    if (!duration) return "is \"" + printable(*text, 80) + "\" but must be a whole number and one of ms, s, m, h, d";
    if (*duration < key.least || *duration > key.most) return out_of_range("\"" + *text + "\"");
    key.at(config) = *duration;
    return {};
  }
  std::optional<std::string> operator()(const ShareKey& key) const {
    const auto share = node.value<double>();
    if (!share || !node.is_number()) return wrong_type("a number");
    // Written so that NaN is out of range too.
    if (!(*share >= key.least && *share <= key.most)) return out_of_range(std::to_string(*share));
    key.at(config) = *share;
    return {};
  }
  std::optional<std::string> operator()(const ListKey& key) const {
    const auto* list = node.as_array();
    if (!list) return wrong_type("a list of text, such as " + std::string(key.example));
    if (list->size() > limits::max_config_list)
      return "has " + std::to_string(list->size()) + " parts but may have " + std::to_string(limits::max_config_list);
    std::vector<std::string> texts;
    for (const auto& part : *list) {
      auto text = part.value_exact<std::string>();
      if (!text) return "must hold only text, such as " + std::string(key.example);
      texts.push_back(std::move(*text));
    }
    return key.set(config, texts);
  }
  std::optional<std::string> operator()(const WordKey& key) const {
    const auto text = node.value_exact<std::string>();
    if (!text) return wrong_type("text");
    const auto found = std::ranges::find(key.words, std::string_view(*text));
    if (found == key.words.end()) return out_of_range("\"" + *text + "\"");
    key.set(config, static_cast<std::size_t>(found - key.words.begin()));
    return {};
  }
};

/// One reading of one text.
class Reading {
 public:
  void read(const toml::table& root) {
    for (const auto& [name, node] : root) {
      const auto known = std::ranges::find(config_sections(), name.str(), &ConfigSection::name);
      if (known == config_sections().end())
        unknown_at_top(name, node);
      else if (const auto* section = node.as_table())
        read_section(*known, *section);
      else
        fail(name.source().begin.line, std::string(name.str()),
             "is a section: write [" + std::string(name.str()) + "] and its keys below it");
    }
    check_combinations();
  }

  void fail(std::uint32_t line, std::string key, std::string message) {
    result.errors.push_back({line, std::move(key), std::move(message)});
  }

  ConfigResult result;

 private:
  void unknown_at_top(const toml::key& name, const toml::node& node) {
    const auto shown = printable(name.str(), 80);
    if (node.is_table())
      fail(name.source().begin.line, shown,
           "is not a known section; the nearest is [" + nearest_section(name.str()) + "]");
    else
      fail(name.source().begin.line, shown, "is not a known key; the nearest is " + nearest_key("", name.str()));
  }

  void read_section(const ConfigSection& section, const toml::table& table) {
    for (const auto& [name, node] : table) {
      const auto key = std::ranges::find_if(
          config_keys(), [&](const ConfigKey& k) { return k.section == section.name && k.name == name.str(); });
      const auto line = name.source().begin.line;
      const auto shown = std::string(section.name) + "." + printable(name.str(), 80);
      if (key == config_keys().end()) {
        fail(line, shown, "is not a known key; the nearest is " + nearest_key(section.name, name.str()));
        continue;
      }
      lines_[shown] = line;
      if (auto wrong = std::visit(Assign{result.config, node, range_text(*key)}, key->value)) {
        fail(line, shown, std::move(*wrong));
        bad_.push_back(shown);
      }
    }
  }

  /// A key that is already wrong is not blamed twice, and nothing is held against its default.
  void check_combinations() {
    for (auto& error : check_config(result.config)) {
      const auto keys = keys_checked_with(error.key);
      if (!std::ranges::all_of(keys, [&](std::string_view key) { return good(key); })) continue;
      // Of two keys that do not fit the one that was written is blamed.
      error.line = line_of(error.key);
      for (const auto key : keys)
        if (error.line == 0 && line_of(std::string(key))) error.line = line_of(std::string(error.key = key));
      result.errors.push_back(std::move(error));
    }
  }

  bool good(std::string_view key) const { return std::ranges::find(bad_, key) == bad_.end(); }
  std::uint32_t line_of(const std::string& key) const {
    const auto found = lines_.find(key);
    return found == lines_.end() ? 0 : found->second;
  }

  std::map<std::string, std::uint32_t> lines_;
  std::vector<std::string> bad_;
};

void add_comment(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += "# ";
    out += text.substr(0, end);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

ConfigResult parse_config(std::string_view text) {
  Reading reading;
  if (text.size() > max_config_bytes) {
    reading.fail(0, "", "is larger than 1 MiB");
    return reading.result;
  }
  try {
    reading.read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    reading.fail(error.source().begin.line, "", "is not valid TOML: " + printable(error.description()));
  }
  std::ranges::stable_sort(reading.result.errors, {}, &ConfigError::line);
  return reading.result;
}

std::string describe(const ConfigError& error, std::string_view file) {
  std::string out(file);
  if (error.line) out += ":" + std::to_string(error.line);
  out += ": ";
  if (!error.key.empty()) out += error.key + " ";
  return out + error.message;
}

std::string reference_config() {
  std::string out =
      "# Every key of a node's configuration, each at its default: a file that holds less means the same.\n"
      "# cairnd --config FILE reads one; cairnd --check-config FILE only says what is wrong with it.\n"
      "#\n"
      "# Sizes are text of a whole number and a unit: B, KiB, MiB, GiB, TiB, PiB (powers of 1024).\n"
      "# Durations likewise: ms, s, m, h, d. An unknown key is an error.\n";
  const Config defaults;
  for (const auto& section : config_sections()) {
    out += "\n";
    add_comment(out, section.meaning);
    out += "[" + std::string(section.name) + "]\n";
    for (const auto& key : config_keys()) {
      if (key.section != section.name) continue;
      const auto value = value_text(key, defaults);
      out += "\n";
      add_comment(out, key.meaning);
      add_comment(out, "Range: " + range_text(key) + ". Default: " + value + ".");
      out += std::string(key.name) + " = " + value + "\n";
    }
  }
  return out;
}

}  // namespace cairn::cluster
