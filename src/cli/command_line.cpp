#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <ostream>

#include "cli/command.hpp"
#include "config/fields.hpp"
#include "config/text.hpp"

namespace hufu::cli {
namespace {

constexpr const char* kAbout =
    "Hufu keeps the access tokens of WeChat-family platforms and hands them to every business "
    "server.";
constexpr const char* kExamples =
    "Where to begin:\n"
    "  hufu dev                                        Try it here, without an app of your own\n"
    "  hufu app add wx0123456789abcdef --secret-stdin  Keep an app of yours, and then:\n"
    "  hufu get                                        Its token\n"
    "  hufu serve                                      Hand it to other servers\n"
    "  hufu doctor                                     What is wrong, and what to do\n"
    "Options may stand before or after the command. `hufu COMMAND --help` tells more.";
constexpr const char* kArguments = "Arguments";  // CLI11 calls them "Positionals",
constexpr const char* kCommands = "Commands";    // and these "Subcommands".

/// The command line as CLI11 sees it, made from the table.
class CommandLine {
 public:
  CommandLine(std::span<const Command> table, Context& context)
      : context_(context), root_(kAbout, "hufu") {
    root_.footer(kExamples);
    root_.fallthrough();
    root_.require_subcommand(0, 1);
    root_.get_formatter()->column_width(36);
    root_.get_formatter()->label("SUBCOMMAND", "COMMAND");
    root_.get_formatter()->label("Positionals", kArguments);
    root_.set_help_flag("-h,--help", "Print this help and exit");
    root_.set_version_flag("--version", "hufu " + context.build().version,
                           "Print the version and exit");
    add_global_options();
    for (const Command& command : table) add(command);
  }

  ExitStatus run(const std::vector<std::string>& arguments) {
    try {
      std::vector<std::string> words = commands_first(arguments);
      std::reverse(words.begin(), words.end());  // CLI11 takes them from the back.
      root_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
      context_.out() << root_.help();
      return ExitStatus::done;
    } catch (const CLI::CallForVersion& version) {
      context_.out() << version.what() << '\n';
      return ExitStatus::done;
    } catch (const CLI::ExtrasError&) {
      return unexpected(root_.remaining(true).front());
    } catch (const CLI::ParseError& error) {
      return misused(error.what());
    }

    auto action = actions_.find(chosen());
    if (action != actions_.end()) return action->second();
    context_.err() << root_.help();
    return ExitStatus::usage;
  }

 private:
  void add_global_options() {
    Parameters global(root_);
    global
        .option("--config", context_.sources.file,
                "Configuration file (HUFU_CONFIG; ./hufu.toml, /etc/hufu/hufu.toml)")
        .value("FILE");
    add_setting_flags(global, context_, {"store", "key_file", "log_level", "log_format"});
    global
        .option("--server", context_.server_flag,
                "Ask this running server, with the key in HUFU_KEY (HUFU_SERVER)")
        .value("URL");
    global.flag("--json", context_.json, "Print JSON, for programs");
  }

  void add(const Command& command) {
    CLI::App* parent = &root_;
    std::string name(command.name);
    if (auto space = name.find(' '); space != std::string::npos) {
      parent = group(name.substr(0, space));
      name = name.substr(space + 1);
    }
    CLI::App* cli = parent->add_subcommand(name, std::string(command.summary))->group(kCommands);
    std::string footer = "Examples:";
    std::string_view rest = command.example;
    while (!rest.empty()) {
      auto end = std::min(rest.find('\n'), rest.size());
      footer += "\n  " + std::string(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    cli->footer(footer + "\nOptions that every command takes: hufu --help");
    Parameters parameters(*cli);
    actions_[cli] = command.declare(parameters, context_);
  }

  CLI::App* group(const std::string& name) {
    if (auto known = groups_.find(name); known != groups_.end()) return known->second;
    auto all = groups();
    auto described =
        std::find_if(all.begin(), all.end(), [&](const Group& each) { return each.name == name; });
    CLI::App* added = root_.add_subcommand(
        name, described == all.end() ? std::string() : std::string(described->summary));
    added->group(kCommands)->require_subcommand(0, 1);
    added->footer("`hufu " + name + " COMMAND --help` tells more.");
    groups_[name] = added;
    return added;
  }

  /// "--kind K get" as "get --kind K": CLI11 knows the options of a command only once it has been
  /// named. What cannot be understood stays as it is, for CLI11 to complain of.
  std::vector<std::string> commands_first(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words;
    std::vector<std::string> early;
    const CLI::App* here = &root_;
    auto next = arguments.begin();
    while (!actions_.contains(here)) {
      if (next == arguments.end()) return arguments;
      const std::string& word = *next++;
      if (word.size() < 2 || word.front() != '-') {
        auto named =
            here->get_subcommands([&](const CLI::App* each) { return each->get_name() == word; });
        if (named.empty()) return arguments;
        here = named.front();
        words.push_back(word);
        continue;
      }
      const auto equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const CLI::Option* option = root_.get_option_no_throw(name);
      auto& place = option != nullptr ? words : early;
      for (const auto& [command, action] : actions_) {
        if (option == nullptr) option = command->get_option_no_throw(name);
      }
      if (option == nullptr) return arguments;
      place.push_back(word);
      const bool takes_next = option->get_items_expected_max() > 0 && equals == std::string::npos;
      if (takes_next && next != arguments.end()) place.push_back(*next++);
    }
    words.insert(words.end(), early.begin(), early.end());
    words.insert(words.end(), next, arguments.end());
    return words;
  }

  /// The innermost command that was named.
  CLI::App* chosen() {
    CLI::App* app = &root_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
  }

  static std::string path_of(const CLI::App* app) {
    std::string path = app->get_name();
    for (app = app->get_parent(); app != nullptr; app = app->get_parent()) {
      path = app->get_name() + " " + path;
    }
    return path;
  }

  ExitStatus misused(std::string message, std::string next = {}) {
    if (next.empty()) next = "See `" + path_of(chosen()) + " --help`";
    return context_.fail(Error{Fault::usage, std::move(message), std::move(next), {}, {}});
  }

  /// Something that no command and no option takes. A stray value is not repeated: somebody may
  /// have tried to pass a secret.
  ExitStatus unexpected(const std::string& word) {
    CLI::App* here = chosen();
    if (word.size() > 1 && word.front() == '-') {
      std::string option = word.substr(0, word.find('='));
      std::string meant = nearest(option, options_of(here));
      return misused("unknown option " + option,
                     meant.empty() ? "" : "Did you mean " + meant + "?");
    }
    if (actions_.contains(here)) {
      return misused("`" + path_of(here) + "` does not take that many arguments");
    }
    std::vector<std::string> names;
    for (const CLI::App* each : here->get_subcommands({})) names.push_back(each->get_name());
    std::string meant = nearest(word, names);
    return misused("unknown command " + config::quoted(word),
                   meant.empty() ? "" : "Did you mean `" + path_of(here) + " " + meant + "`?");
  }

  static std::vector<std::string> options_of(const CLI::App* app) {
    std::vector<std::string> names;
    for (; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
    }
    return names;
  }

  /// What begins with the whole word (--secret: --secret-stdin), else what is spelled like it.
  static std::string nearest(const std::string& word, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (name.starts_with(word + "-")) return name;
    }
    return std::string(config::nearest(word, {names.begin(), names.end()}));
  }

  Context& context_;
  CLI::App root_;
  std::map<std::string, CLI::App*> groups_;
  std::map<const CLI::App*, Action> actions_;
};

void add_options(CommandOutline& outline, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const bool known =
          std::any_of(outline.options.begin(), outline.options.end(),
                      [&](const OptionOutline& each) { return each.name == "--" + name; });
      if (known) continue;
      outline.options.push_back(
          {"--" + name, option->get_description(), option->get_items_expected_max() > 0});
    }
  }
}

CommandOutline outline_of(const CLI::App& app, const std::string& path) {
  CommandOutline outline{path, app.get_description(), {}, {}};
  for (const CLI::App* each : app.get_subcommands({})) {
    outline.commands.push_back(outline_of(*each, path + " " + each->get_name()));
  }
  for (const CLI::App* each = &app; each != nullptr; each = each->get_parent()) {
    add_options(outline, *each);
  }
  return outline;
}

template <class Variable>
CLI::Option* add(CLI::App* command, std::string_view name, Variable& variable,
                 std::string_view about) {
  return command->add_option(std::string(name), variable, std::string(about));
}

}  // namespace

// ---- What one command takes

Parameter& Parameter::value(std::string_view name) {
  option_->type_name(std::string(name));
  return *this;
}

Parameter& Parameter::required() {
  option_->required();
  return *this;
}

Parameter& Parameter::show_default() {
  option_->capture_default_str();
  return *this;
}

Parameter& Parameter::show_default(std::string_view text) {
  option_->default_str(std::string(text));
  return *this;
}

Parameter& Parameter::between(double low, double high) {
  // Without a description of its own, which would stand in the help beside what `value` says.
  option_->check(CLI::Validator(
      [low, high](const std::string& text) {
        double number = 0;
        const bool fits =
            CLI::detail::lexical_cast(text, number) && low <= number && number <= high;
        return fits ? std::string() : fmt::format("not a number from {} to {}", low, high);
      },
      ""));
  return *this;
}

Parameter& Parameter::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

Parameter& Parameter::separated_by(char separator) {
  option_->delimiter(separator);
  return *this;
}

Parameter& Parameter::needs(const Parameter& other) {
  option_->needs(other.option_);
  return *this;
}

Parameter& Parameter::excludes(const Parameter& other) {
  option_->excludes(other.option_);
  return *this;
}

Parameter Parameters::argument(std::string_view name, std::string& variable,
                               std::string_view about) {
  return Parameter(add(command_, name, variable, about));
}

Parameter Parameters::option(std::string_view name, std::string& variable, std::string_view about) {
  return Parameter(add(command_, name, variable, about));
}

Parameter Parameters::option(std::string_view name, std::optional<std::string>& variable,
                             std::string_view about) {
  return Parameter(add(command_, name, variable, about));
}

Parameter Parameters::option(std::string_view name, std::vector<std::string>& variable,
                             std::string_view about) {
  return Parameter(add(command_, name, variable, about)->allow_extra_args(false));
}

Parameter Parameters::option(std::string_view name, int& variable, std::string_view about) {
  return Parameter(add(command_, name, variable, about)->type_name("NUMBER"));
}

Parameter Parameters::option(std::string_view name, double& variable, std::string_view about) {
  return Parameter(add(command_, name, variable, about)->type_name("NUMBER"));
}

Parameter Parameters::option(std::string_view name, std::function<void(const std::string&)> take,
                             std::string_view about) {
  return Parameter(
      command_->add_option_function<std::string>(std::string(name), take, std::string(about)));
}

Parameter Parameters::flag(std::string_view name, bool& variable, std::string_view about) {
  // "--secret-stdin=SECRET" is refused: a flag takes no value.
  return Parameter(
      command_->add_flag(std::string(name), variable, std::string(about))->disable_flag_override());
}

CommandOutline Parameters::program() const {
  const CLI::App* root = command_;
  while (root->get_parent() != nullptr) root = root->get_parent();
  return outline_of(*root, root->get_name());
}

void add_setting_flags(Parameters& parameters, Context& context,
                       const std::vector<std::string_view>& keys) {
  for (std::string_view key : keys) {
    const auto* field = config::setting(key);
    std::string about(field->meaning);
    about.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(about.front())));
    if (!field->environment.empty()) about += " (" + std::string(field->environment) + ")";
    parameters
        .option(
            field->flag,
            [&context, name = std::string(key)](const std::string& value) {
              context.sources.flags[name] = value;
            },
            about)
        .value("VALUE");
  }
}

// ---- The whole line

ExitStatus run(std::span<const Command> table, const std::vector<std::string>& arguments,
               Context& context) {
  ExitStatus status = CommandLine(table, context).run(arguments);
  // A full disk or a closed pipe must not pass for success: somebody stores this token.
  if (!context.out().flush() && status == ExitStatus::done) {
    return context.fail(Error{Fault::internal,
                              "standard output cannot be written",
                              "Check the disk "
                              "or the program that reads it",
                              {},
                              {}});
  }
  return status;
}

}  // namespace hufu::cli
