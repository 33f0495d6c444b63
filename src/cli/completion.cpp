#include <memory>
#include <ostream>

#include "cli/command.hpp"

namespace hufu::cli {
namespace {

template <class Visit>
void walk(const CommandOutline& node, const Visit& visit) {
  visit(node);
  for (const CommandOutline& each : node.commands) walk(each, visit);
}

std::string last_word(const std::string& path) { return path.substr(path.rfind(' ') + 1); }

/// In single quotes, as all three shells read them, whatever the text holds.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

/// Every path below the root, as the alternatives of a shell's `case`.
std::string paths(const CommandOutline& root, std::string_view between) {
  std::string result;
  walk(root, [&](const CommandOutline& node) {
    if (&node == &root) return;
    if (!result.empty()) result += between;
    result += quoted(node.path);
  });
  return result;
}

// Each script finds out which command the words before the cursor name, word by word, and then
// offers what that command takes.

void print_bash(std::ostream& out, const CommandOutline& root) {
  out << "# bash completion of hufu\n"
         "_hufu() {\n"
         "  local at=hufu words= i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$at ${COMP_WORDS[i]}\" in\n"
         "      "
      << paths(root, " | ")
      << ") at=\"$at ${COMP_WORDS[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$at\" in\n";
  walk(root, [&](const CommandOutline& node) {
    std::string words;
    for (const CommandOutline& each : node.commands) words += last_word(each.path) + " ";
    for (const OptionOutline& option : node.options) words += option.name + " ";
    out << "    " << quoted(node.path) << ") words=" << quoted(words) << " ;;\n";
  });
  out << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _hufu hufu\n";
}

void print_zsh(std::ostream& out, const CommandOutline& root) {
  // _describe splits at the first colon that has no backslash.
  auto entry = [](const std::string& name, std::string about) {
    for (std::size_t at = 0; (at = about.find(':', at)) != std::string::npos; at += 2) {
      about.insert(at, "\\");
    }
    return quoted(name + ":" + about) + " ";
  };
  out << "#compdef hufu\n"
         "_hufu() {\n"
         "  local at=hufu word\n"
         "  local -a verbs flags\n"
         "  for word in ${words[2,CURRENT-1]}; do\n"
         "    case \"$at $word\" in\n"
         "      "
      << paths(root, " | ")
      << ") at=\"$at $word\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$at\" in\n";
  walk(root, [&](const CommandOutline& node) {
    out << "    " << quoted(node.path) << ")\n      verbs=(";
    for (const CommandOutline& each : node.commands) out << entry(last_word(each.path), each.about);
    out << ")\n      flags=(";
    for (const OptionOutline& option : node.options) out << entry(option.name, option.about);
    out << ") ;;\n";
  });
  out << "  esac\n"
         "  if [[ $PREFIX == -* ]]; then\n"
         "    _describe option flags\n"
         "  elif ((${#verbs})); then\n"
         "    _describe command verbs\n"
         "  else\n"
         "    _default\n"
         "  fi\n"
         "}\n"
         "if [ \"$funcstack[1]\" = _hufu ]; then _hufu \"$@\"; else compdef _hufu hufu; fi\n";
}

void print_fish(std::ostream& out, const CommandOutline& root) {
  out << "# fish completion of hufu\n"
         "function __hufu_at\n"
         "    set -l at hufu\n"
         "    for word in (commandline -opc)[2..-1]\n"
         "        switch \"$at $word\"\n"
         "            case "
      << paths(root, " ")
      << "\n"
         "                set at \"$at $word\"\n"
         "        end\n"
         "    end\n"
         "    test \"$at\" = \"$argv\"\n"
         "end\n";
  walk(root, [&](const CommandOutline& node) {
    std::string line = "complete -c hufu -n " + quoted("__hufu_at " + node.path);
    for (const CommandOutline& each : node.commands) {
      out << line << " -f -a " << last_word(each.path) << " -d " << quoted(each.about) << '\n';
    }
    for (const OptionOutline& option : node.options) {
      out << line << " -l " << option.name.substr(2) << (option.takes_value ? " -r" : "") << " -d "
          << quoted(option.about) << '\n';
    }
  });
}

Action declare(Parameters& parameters, Context& context) {
  auto shell = std::make_shared<std::string>();
  parameters.argument("SHELL", *shell, "bash, zsh or fish")
      .required()
      .one_of({"bash", "zsh", "fish"});
  return [shell, &context, parameters] {
    const CommandOutline program = parameters.program();
    if (*shell == "bash") print_bash(context.out(), program);
    if (*shell == "zsh") print_zsh(context.out(), program);
    if (*shell == "fish") print_fish(context.out(), program);
    return ExitStatus::done;
  };
}

}  // namespace

extern const Command kCompletion;
constinit const Command kCompletion = {
    "completion",
    "Prints a script that teaches a shell to complete this program's commands",
    "source <(hufu completion bash)\nhufu completion fish > ~/.config/fish/completions/hufu.fish",
    declare,
};

}  // namespace hufu::cli
