#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/build_info.hpp"
#include "cli/command.hpp"
#include "config/fields.hpp"

namespace hufu::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// A command with an argument and an option, which prints what it was given.
Action declare_echo(Parameters& parameters, Context& context) {
  struct Options {
    std::string app, kind;
  };
  auto options = std::make_shared<Options>();
  parameters.argument("APP", options->app, "Which app");
  parameters.option("--kind", options->kind, "Which kind");
  add_setting_flags(parameters, context, {"listen"});
  return [options, &context] {
    context.out() << options->app << '|' << options->kind << '|' << context.json << '|'
                  << context.sources.file.value_or("") << '|' << context.sources.flags["store"]
                  << '|' << context.sources.flags["listen"] << '\n';
    return ExitStatus::done;
  };
}

Action declare_failure(Parameters&, Context& context) {
  return [&context] {
    return context.fail(
        Error{Fault::refused, "the platform\nsaid no\x1b[2J", "ask it nicely", 40013, {}});
  };
}

constexpr Command kEcho{"echo", "Echoes", "hufu echo wx", declare_echo};
constexpr Command kFailure{"fail now", "Fails", "hufu fail now", declare_failure};

/// A whole program run inside the test.
struct Program {
  std::map<std::string, std::string> files;
  config::Environment environment = {{"HOME", "/srv/me"}};
  std::vector<Command> table{commands().begin(), commands().end()};
  bool terminal = false;

  struct Outcome {
    ExitStatus status;
    std::string out, err;
  };
  Outcome run(std::vector<std::string> arguments) const {
    std::istringstream in;
    std::ostringstream out, err;
    config::Sources sources;
    sources.environment = environment;
    sources.read_file =
        [this](const std::string& path) -> tl::expected<std::string, config::FileFailure> {
      auto file = files.find(path);
      if (file == files.end()) return tl::unexpected(config::FileFailure{true, "not there"});
      return file->second;
    };
    Context context({in, out, err, terminal, terminal}, std::move(sources),
                    {"1.2.3", "abc", {"memory", "sqlite"}});
    ExitStatus status = cli::run(table, arguments, context);
    return {status, out.str(), err.str()};
  }
};

Program program() {
  Program result;
  result.table.push_back(kEcho);
  result.table.push_back(kFailure);
  return result;
}

// ---- The frame

TEST(CommandLine, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  const char* expected = "wx|k|1|f|memory:|\n";
  EXPECT_EQ(program()
                .run({"--json", "--config", "f", "--store", "memory:", "echo", "wx", "--kind", "k"})
                .out,
            expected);
  EXPECT_EQ(program()
                .run({"echo", "wx", "--kind", "k", "--json", "--config", "f", "--store=memory:"})
                .out,
            expected);
  EXPECT_EQ(program()
                .run({"--json", "echo", "--kind=k", "--config", "f", "wx", "--store", "memory:"})
                .out,
            expected);
}

TEST(CommandLine, TakesTheOptionsOfACommandBeforeItToo) {
  EXPECT_EQ(program().run({"--kind", "k", "echo", "wx"}).out, "wx|k|0|||\n");
  EXPECT_EQ(program().run({"--kind=k", "--json", "--listen", "[::1]:1", "echo"}).out,
            "|k|1|||[::1]:1\n");
  EXPECT_EQ(program().run({"--kind", "echo", "echo", "echo"}).out, "echo|echo|0|||\n");
  EXPECT_EQ(program().run({"--help", "--kind", "k", "echo"}).status, ExitStatus::done);
  EXPECT_EQ(program().run({"--kind", "k", "echo", "--kind", "l"}).status, ExitStatus::usage);
  EXPECT_THAT(program().run({"--kind", "k", "version"}).err, HasSubstr("unknown option --kind"));
  EXPECT_THAT(program().run({"--secret=canary", "app", "add", "wx"}).err, Not(HasSubstr("canary")));

  Program machine = program();
  machine.table.push_back({"group echo", "Echoes", "hufu group echo", declare_echo});
  EXPECT_EQ(machine.run({"group", "--kind", "k", "echo", "wx"}).out, "wx|k|0|||\n");
  EXPECT_EQ(machine.run({"--kind", "k", "group", "--json", "echo"}).out, "|k|1|||\n");
}

TEST(CommandLine, TakesTheNameOfACommandForAnArgumentWhereOneIsDue) {
  EXPECT_EQ(program().run({"echo", "version"}).out, "version||0|||\n");
}

TEST(CommandLine, LetsACommandOverrideASetting) {
  EXPECT_EQ(program().run({"echo", "--listen", "[::1]:1"}).out, "||0|||[::1]:1\n");
  EXPECT_EQ(program().run({"version", "--listen", "[::1]:1"}).status, ExitStatus::usage);
}

TEST(CommandLine, PrintsHelpAndFailsWithoutACommand) {
  auto outcome = program().run({});
  EXPECT_EQ(outcome.status, ExitStatus::usage);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("Usage: hufu"));
  outcome = program().run({"config"});
  EXPECT_EQ(outcome.status, ExitStatus::usage);
  EXPECT_THAT(outcome.err, HasSubstr("Usage: hufu config"));
}

TEST(CommandLine, SuggestsTheNearestCommandAndOption) {
  auto outcome = program().run({"versoin"});
  EXPECT_EQ(outcome.status, ExitStatus::usage);
  EXPECT_EQ(outcome.err, "hufu: unknown command \"versoin\"\n  → Did you mean `hufu version`?\n");
  EXPECT_THAT(program().run({"config", "chekc"}).err,
              HasSubstr("Did you mean `hufu config check`?"));
  EXPECT_THAT(program().run({"echo", "--knid", "x"}).err, HasSubstr("Did you mean --kind?"));
  EXPECT_THAT(program().run({"echo", "--stroe=x"}).err, HasSubstr("Did you mean --store?"));
  EXPECT_THAT(program().run({"banana"}).err, HasSubstr("See `hufu --help`"));
}

TEST(CommandLine, DoesNotRepeatAStrayArgumentWhichMayBeASecret) {
  for (const auto& arguments : {std::vector<std::string>{"echo", "wx", "canary"},
                                {"version", "--secret=canary"},
                                {"version", "canary"}}) {
    auto outcome = program().run(arguments);
    EXPECT_EQ(outcome.status, ExitStatus::usage);
    EXPECT_THAT(outcome.err, Not(HasSubstr("canary")));
  }
}

TEST(CommandLine, RefusesAnOptionWithoutItsValueOrGivenTwice) {
  EXPECT_EQ(program().run({"echo", "--kind"}).status, ExitStatus::usage);
  EXPECT_EQ(program().run({"--config", "a", "echo", "--config", "b"}).status, ExitStatus::usage);
}

TEST(CommandLine, PrintsErrorsOnOneLineAndTheNextStepBelow) {
  auto outcome = program().run({"fail", "now"});
  EXPECT_EQ(outcome.status, ExitStatus::refused);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_EQ(outcome.err, "hufu: the platform said no?[2J (errcode 40013)\n  → ask it nicely\n");
}

TEST(CommandLine, UsesColoursOnATerminalAloneAndNotUnderNoColor) {
  Program on_terminal = program();
  on_terminal.terminal = true;
  EXPECT_THAT(on_terminal.run({"fail", "now"}).err, StartsWith("\x1b[31mhufu:\x1b[0m"));
  on_terminal.environment["NO_COLOR"] = "1";
  EXPECT_THAT(on_terminal.run({"fail", "now"}).err, StartsWith("hufu:"));
  on_terminal.environment = {{"TERM", "dumb"}};
  EXPECT_THAT(on_terminal.run({"fail", "now"}).err, StartsWith("hufu:"));
}

TEST(CommandLine, FailsWhereItsOutputCannotBeWritten) {
  std::istringstream in;
  std::ofstream full("/dev/full");
  std::ostringstream err;
  Context context({in, full, err}, {}, {"1.2.3", "abc", {}});
  EXPECT_NE(run(commands(), {"version"}, context), ExitStatus::done);
  EXPECT_THAT(err.str(), HasSubstr("standard output cannot be written"));
}

TEST(EveryCommand, HasHelpWithAnExampleOfItself) {
  for (const Command& command : commands()) {
    std::vector<std::string> arguments;
    std::istringstream words{std::string(command.name)};
    for (std::string word; words >> word;) arguments.push_back(word);
    arguments.emplace_back("--help");
    auto outcome = Program().run(arguments);
    EXPECT_EQ(outcome.status, ExitStatus::done) << command.name;
    EXPECT_THAT(outcome.err, IsEmpty());
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("Usage: hufu " + std::string(command.name)),
                      HasSubstr(std::string(command.summary)), HasSubstr("Examples:\n"),
                      HasSubstr("hufu " + std::string(command.name))));
    EXPECT_FALSE(command.summary.ends_with('.')) << command.name;

    std::rotate(arguments.begin(), arguments.end() - 1, arguments.end());
    EXPECT_EQ(Program().run(arguments).out, outcome.out) << "--help before " << command.name;
  }
}

// ---- Which server

TEST(Server, IsNamedByFlagOrVariableAndNeedsAKey) {
  auto context = [](config::Environment environment) {
    static std::istringstream in;
    static std::ostringstream out;
    config::Sources sources;
    sources.environment = std::move(environment);
    return Context({in, out, out}, std::move(sources), {});
  };
  EXPECT_FALSE(context({}).server().value().has_value());

  auto server = context({{"HUFU_SERVER", "http://h:1/"}, {"HUFU_KEY", "k\n"}}).server();
  EXPECT_EQ(server.value()->url, "http://h:1");
  EXPECT_EQ(server.value()->key.reveal(), "k");

  EXPECT_EQ(context({{"HUFU_SERVER", "http://h:1"}}).server().error().fault, Fault::unauthorised);
  EXPECT_EQ(context({{"HUFU_SERVER", "h:1"}}).server().error().fault, Fault::config);
  auto flagged = context({{"HUFU_SERVER", "http://h:1"}, {"HUFU_KEY", "k"}});
  flagged.server_flag = "http://i:2";
  EXPECT_EQ(flagged.server().value()->url, "http://i:2");
  flagged.server_flag = "i:2";
  EXPECT_EQ(flagged.server().error().fault, Fault::usage);
}

// ---- The commands

TEST(Version, TellsVersionBuildAndStores) {
  EXPECT_EQ(program().run({"version"}).out, "hufu 1.2.3\nbuild   abc\nstores  memory, sqlite\n");
  EXPECT_EQ(program().run({"version", "--json"}).out,
            "{\"version\":\"1.2.3\",\"build\":\"abc\",\"stores\":[\"memory\",\"sqlite\"]}\n");
  EXPECT_EQ(program().run({"--version"}).out, "hufu 1.2.3\n");
  EXPECT_FALSE(build_info().version.empty());
  EXPECT_FALSE(build_info().id.empty());
}

constexpr const char* kApp = "[[app]]\nid = \"wx1\"\nsecret = { env = \"WX1\" }\n";

TEST(ConfigCheck, SaysThatAllIsWell) {
  Program machine = program();
  machine.files["./hufu.toml"] =
      "[[app]]\nid = \"wx0123456789abcdef\"\nsecret = { env = \"WX1\" }\n";
  machine.environment["WX1"] = "0123456789abcdef0123456789abcdef";
  auto outcome = machine.run({"config", "check"});
  EXPECT_EQ(outcome.status, ExitStatus::done);
  EXPECT_EQ(outcome.out, "ok: ./hufu.toml, 1 app\n");
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_EQ(machine.run({"config", "check", "--json"}).out,
            "{\"ok\":true,\"file\":\"./hufu.toml\",\"problems\":[],\"warnings\":[]}\n");
}

TEST(ConfigCheck, TellsEveryProblem) {
  Program machine = program();
  machine.files["./hufu.toml"] = std::string("lissten = 1\n") + kApp;
  auto outcome = machine.run({"config", "check"});
  EXPECT_EQ(outcome.status, ExitStatus::config);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("./hufu.toml:1: unknown key lissten"),
                    HasSubstr("Did you mean listen?"), HasSubstr("./hufu.toml:4: app.wx1.secret")));
  auto json = boost::json::parse(machine.run({"config", "check", "--json"}).out);
  EXPECT_EQ(json.at("ok"), false);
  EXPECT_EQ(json.at("problems").as_array().size(), 2U);
}

TEST(ConfigCheck, CallsAMalformedStoreABrokenConfiguration) {
  EXPECT_EQ(program().run({"config", "check", "--store", "nonsense"}).status, ExitStatus::config);
}

TEST(ConfigShow, PrintsEveryValueItsOriginAndNoSecret) {
  Program machine = program();
  machine.files["./hufu.toml"] = kApp;
  machine.environment["WX1"] = "canary";
  machine.environment["HUFU_LISTEN"] = "[::1]:1";
  auto outcome = machine.run({"config", "show", "--log-level", "debug"});
  EXPECT_EQ(outcome.status, ExitStatus::done);
  EXPECT_THAT(outcome.out, Not(HasSubstr("canary")));
  EXPECT_THAT(outcome.out,
              ::testing::ContainsRegex("listen +\\[::1\\]:1 +environment HUFU_LISTEN\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("log_level +debug +flag --log-level\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("timing.lease +30s +default\n"));
  EXPECT_THAT(outcome.out, HasSubstr("./hufu.toml:3 (environment WX1)\n"));

  auto json = boost::json::parse(machine.run({"config", "show", "--json"}).out);
  EXPECT_EQ(json.at("file"), "./hufu.toml");
  EXPECT_EQ(json.at("values").at(0).at("key"), "listen");
  EXPECT_EQ(json.at("values").at(0).at("value"), "[::1]:1");
  EXPECT_EQ(json.at("values").at(0).at("origin"), "environment HUFU_LISTEN");
}

TEST(ConfigShow, FailsWhereTheConfigurationCannotBeUsed) {
  auto outcome = program().run({"config", "show", "--config", "nowhere.toml"});
  EXPECT_EQ(outcome.status, ExitStatus::config);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("nowhere.toml"));
}

TEST(Completion, KnowsEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto outcome = program().run({"completion", shell});
    EXPECT_EQ(outcome.status, ExitStatus::done);
    for (const Command& command : commands())
      EXPECT_THAT(outcome.out, HasSubstr("hufu " + std::string(command.name))) << shell;
    EXPECT_THAT(outcome.out, HasSubstr("kind")) << shell;
  }
  EXPECT_EQ(program().run({"completion", "tcsh"}).status, ExitStatus::usage);
  EXPECT_EQ(program().run({"completion"}).status, ExitStatus::usage);
}

/// What bash offers for the words so far.
std::string completed(const std::string& words, int cursor) {
  std::string script = program().run({"completion", "bash"}).out + "\nCOMP_WORDS=(" + words +
                       "); COMP_CWORD=" + std::to_string(cursor) +
                       "; _hufu; echo \"${COMPREPLY[@]}\"\n";
  char name[] = "/tmp/hufu-completion-XXXXXX";
  int file = mkstemp(name);
  EXPECT_GE(file, 0);
  EXPECT_EQ(write(file, script.data(), script.size()), static_cast<ssize_t>(script.size()));
  close(file);
  std::string result;
  if (FILE* shell = popen(("bash " + std::string(name)).c_str(), "r")) {
    std::array<char, 4096> buffer{};
    while (auto got = fread(buffer.data(), 1, buffer.size(), shell))
      result.append(buffer.data(), got);
    pclose(shell);
  }
  unlink(name);
  return result;
}

TEST(Completion, WorksInBash) {
  EXPECT_EQ(completed("hufu ver", 1), "version\n");
  EXPECT_EQ(completed("hufu config ''", 2).substr(0, 11), "check show ");
  EXPECT_EQ(completed("hufu --json config sh", 3), "show\n");
  EXPECT_EQ(completed("hufu echo --ki", 2), "--kind\n");
  EXPECT_EQ(completed("hufu echo --sto", 2), "--store\n");
}

TEST(ExitStatus, FollowsTheFault) {
  const std::pair<Fault, int> expected[] = {
      {Fault::usage, 2},        {Fault::config, 3},       {Fault::unknown_app, 3},
      {Fault::unknown_kind, 3}, {Fault::refused, 4},      {Fault::unreachable, 5},
      {Fault::store, 6},        {Fault::unauthorised, 7}, {Fault::forbidden, 7},
      {Fault::too_soon, 8},     {Fault::throttled, 8},    {Fault::internal, 1},
  };
  for (auto [fault, status] : expected) {
    EXPECT_EQ(static_cast<int>(exit_status(fault)), status) << name_of(fault);
  }
}

}  // namespace
}  // namespace hufu::cli
