#include "apps/cairn/completion.hpp"

#include <functional>
#include <string_view>
#include <vector>

namespace cairn::apps {
namespace {

/// A command of the tree with the words that lead to it ("cairn trash empty").
struct Node {
  std::string words;
  const CLI::App* app;
};

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
}

std::vector<Node> all_nodes(const CLI::App& app) {
  std::vector<Node> nodes;
  const std::function<void(const CLI::App&, const std::string&)> add = [&](const CLI::App& at,
                                                                           const std::string& words) {
    nodes.push_back({words, &at});
    for (const auto* sub : subcommands(at)) add(*sub, words + " " + sub->get_name());
  };
  add(app, app.get_name());
  return nodes;
}

/// An option as a shell sees it.
struct Flag {
  std::vector<std::string> words;  ///< "-l", "--long"
  std::string description;
  bool takes_value;
  bool takes_file;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Values and arguments that are local paths are typed so where they are declared.
bool is_local(const CLI::Option& option) {
  return option.get_type_name() == "LOCAL" || option.get_type_name() == "FILE";
}

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const auto* option : app.get_options([](const CLI::Option* o) { return !o->get_positional(); })) {
    Flag flag{{}, first_line(option->get_description()), option->get_items_expected_max() > 0, is_local(*option)};
    for (const auto& name : option->get_snames()) flag.words.push_back("-" + name);
    for (const auto& name : option->get_lnames()) flag.words.push_back("--" + name);
    flags.push_back(std::move(flag));
  }
  return flags;
}

/// Those of the command and of everything above it.
std::vector<Flag> all_flags_of(const CLI::App& app) {
  auto flags = flags_of(app);
  for (const auto* above = app.get_parent(); above; above = above->get_parent())
    for (auto& flag : flags_of(*above))
      // Every level has its own --help.
      if (flag.words.back() != "--help" && flag.words.back() != "--version") flags.push_back(std::move(flag));
  return flags;
}

bool takes_local_paths(const CLI::App& app) {
  for (const auto* option : app.get_options([](const CLI::Option* o) { return o->get_positional(); }))
    if (is_local(*option)) return true;
  return false;
}

/// The fixed words that an argument of the command can be, such as the shells of `completion`.
std::string argument_words(const CLI::App& app) {
  std::string words;
  for (const auto* option : app.get_options([](const CLI::Option* o) { return o->get_positional(); }))
    if (option->get_type_name().starts_with("bash")) words += "bash zsh fish";
  return words;
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

/// Text between single quotes of a shell.
std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string function_name(const std::string& words) {
  std::string name = "_" + words;
  for (auto& c : name)
    if (c == ' ' || c == '-') c = '_';
  return name;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  const auto nodes = all_nodes(app);
  std::string out =
      "# bash completion for cairn; load it with: source <(cairn completion bash)\n"
      "_cairn() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=cairn i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${COMP_WORDS[i]}\" in\n";
  for (const auto& node : nodes)
    if (node.app != &app) out += "      " + shell_word(node.words) + ") at=" + shell_word(node.words) + " ;;\n";
  out +=
      "    esac\n"
      "  done\n"
      "  local words= values= files= file_values=\n"
      "  case $at in\n";
  for (const auto& node : nodes) {
    std::vector<std::string> words, values, file_values;
    for (const auto* sub : subcommands(*node.app)) words.push_back(sub->get_name());
    if (auto fixed = argument_words(*node.app); !fixed.empty()) words.push_back(fixed);
    for (const auto& flag : all_flags_of(*node.app)) {
      words.insert(words.end(), flag.words.begin(), flag.words.end());
      auto& list = flag.takes_file ? file_values : values;
      if (flag.takes_value) list.insert(list.end(), flag.words.begin(), flag.words.end());
    }
    out += "    " + shell_word(node.words) + ") words=" + shell_word(join(words, " ")) +
           " values=" + shell_word(join(values, " ")) + " file_values=" + shell_word(join(file_values, " ")) +
           (takes_local_paths(*node.app) ? " files=1" : "") + " ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ \" $values \" == *\" $prev \"* ]]; then return; fi\n"
      "  if [[ \" $file_values \" == *\" $prev \"* ]]; then files=1 words=; fi\n"
      "  local IFS=$'\\n'\n"
      "  if [[ -n $files && $cur != -* ]]; then\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -W \"${words// /$'\\n'}\" -- \"$cur\"))\n"
      "  fi\n"
      "}\n"
      "complete -F _cairn cairn\n";
  return out;
}

std::string zsh_completion(const CLI::App& app) {
  std::string out = "#compdef cairn\n# zsh completion for cairn; save it as _cairn in a folder of $fpath\n";
  // In zsh's specs ':' and ']' mean something.
  const auto escaped = [](std::string text) {
    for (std::size_t at = 0; (at = text.find_first_of(":[]", at)) != text.npos; at += 2) text.insert(at, "\\");
    return text;
  };
  for (const auto& node : all_nodes(app)) {
    const auto subs = subcommands(*node.app);
    out += "\n" + function_name(node.words) + "() {\n";
    if (!subs.empty()) {
      out += "  local -a commands=(\n";
      for (const auto* sub : subs)
        out += "    " + shell_word(sub->get_name() + ":" + escaped(first_line(sub->get_description()))) + "\n";
      out += "  )\n";
    }
    out += "  _arguments -C";
    for (const auto& flag : all_flags_of(*node.app)) {
      const auto tail = "[" + escaped(flag.description) + "]" +
                        (flag.takes_file    ? ":file:_files"
                         : flag.takes_value ? ":value:"
                                            : "");
      for (const auto& word : flag.words) out += " \\\n    " + shell_word(word + tail);
    }
    if (!subs.empty()) {
      out +=
          " \\\n    '1: :->command' \\\n    '*:: :->rest'\n  case $state in\n"
          "    command) _describe command commands ;;\n    rest) case $words[1] in\n";
      for (const auto* sub : subs)
        out += "      " + sub->get_name() + ") " + function_name(node.words + " " + sub->get_name()) + " ;;\n";
      out += "    esac ;;\n  esac\n}\n";
      continue;
    }
    const auto fixed = argument_words(*node.app);
    out += std::string(" \\\n    ") +
           (!fixed.empty()                 ? shell_word("1:shell:(" + fixed + ")")
            : takes_local_paths(*node.app) ? "'*:path:_files'"
                                           : "'*: :'") +
           "\n}\n";
  }
  return out + "\n_cairn \"$@\"\n";
}

std::string fish_completion(const CLI::App& app) {
  std::string out = "# fish completion for cairn; load it with: cairn completion fish | source\ncomplete -c cairn -f\n";
  for (const auto& node : all_nodes(app)) {
    const auto subs = subcommands(*node.app);
    const bool top = node.app == &app;
    std::string condition;
    if (top) {
      condition = "__fish_use_subcommand";
    } else {
      const auto* parent = node.app->get_parent();
      if (parent != &app) condition = "__fish_seen_subcommand_from " + parent->get_name() + "; and ";
      condition += "__fish_seen_subcommand_from " + node.app->get_name();
    }
    for (const auto* sub : subs)
      out += "complete -c cairn -n " + shell_word(condition) + " -a " + sub->get_name() + " -d " +
             shell_word(first_line(sub->get_description())) + "\n";
    if (const auto fixed = argument_words(*node.app); !fixed.empty())
      out += "complete -c cairn -n " + shell_word(condition) + " -a " + shell_word(fixed) + "\n";
    if (takes_local_paths(*node.app)) out += "complete -c cairn -n " + shell_word(condition) + " -F\n";
    for (const auto& flag : flags_of(*node.app)) {
      // Options of the top may stand behind every command.
      out += "complete -c cairn" + (top ? "" : " -n " + shell_word(condition));
      for (const auto& word : flag.words)
        out += word.starts_with("--") ? " -l " + word.substr(2) : " -s " + word.substr(1);
      out += std::string(flag.takes_file    ? " -rF"
                         : flag.takes_value ? " -x"
                                            : "") +
             " -d " + shell_word(flag.description) + "\n";
    }
  }
  return out;
}

}  // namespace cairn::apps
