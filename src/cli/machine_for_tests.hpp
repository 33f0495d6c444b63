#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "library/assembly.hpp"
#include "server/api_key.hpp"
#include "server/server.hpp"
#include "simulator/server.hpp"
#include "store/blocking.hpp"
#include "store/temp_dir.hpp"

namespace hufu::cli::testing {

inline constexpr const char* kSecret = "canary-secret-of-wx1";

/// A machine with a store of its own, a platform to call, and whole commands to run. Whatever is
/// run, no secret may show, and no token anywhere but on standard output.
class Machine {
 public:
  Machine() {
    simulator::Simulator::Options options;
    options.apps = {{"wx1", kSecret}, {"wx2", kSecret}};
    platform = std::move(simulator::Simulator::start(std::move(options)).value());
    environment = {{"HOME", dir.file("home")},
                   {"HUFU_STORE", "sqlite:" + dir.file("hufu.db")},
                   {"WECHAT_BASE_URL", platform->base_url()}};
  }

  struct Outcome {
    int status = 0;
    std::string out, err;
  };
  Outcome run(std::vector<std::string> arguments, const std::string& input = {}) {
    std::ostringstream out;
    return run_into(out, std::move(arguments), input);
  }
  Outcome run_into(std::ostream& out, std::vector<std::string> arguments,
                   const std::string& input = {}) {
    std::istringstream in(input);
    return run_between(in, out, std::move(arguments));
  }
  Outcome run_from(std::istream& in, std::vector<std::string> arguments) {
    std::ostringstream out;
    return run_between(in, out, std::move(arguments));
  }
  Outcome run_between(std::istream& in, std::ostream& out, std::vector<std::string> arguments) {
    std::ostringstream err;
    config::Sources sources;
    sources.environment = environment;
    sources.read_file =
        [this](const std::string& path) -> tl::expected<std::string, config::FileFailure> {
      auto file = files.find(path);
      if (file == files.end()) return tl::unexpected(config::FileFailure{true, "not there"});
      return file->second;
    };
    Context context({in, out, err}, std::move(sources), {"1.2.3", "abc", {"memory", "sqlite"}});
    context.clock = &platform->clock();
    const auto status = static_cast<int>(cli::run(commands(), arguments, context));
    std::string text;
    if (auto* buffer = dynamic_cast<std::ostringstream*>(&out)) text = buffer->str();
    EXPECT_EQ(text.find("canary"), std::string::npos) << "a secret on standard output";
    EXPECT_EQ(err.str().find("canary"), std::string::npos) << "a secret on standard error";
    for (const auto& token : platform->model().tokens()) {
      EXPECT_EQ(err.str().find(token.value), std::string::npos) << "a token on standard error";
    }
    return {status, text, err.str()};
  }

  /// Keeps an app in the store, with the secret that the platform knows.
  void add_app(const std::string& id, const std::string& endpoint = "stable") {
    auto added = run({"app", "add", id, "--endpoint", endpoint, "--secret-stdin"}, kSecret);
    ASSERT_EQ(added.status, 0) << added.err;
  }
  void pass(std::chrono::seconds span) { platform->clock().advance(span); }
  [[nodiscard]] simulator::Totals asked() const { return platform->model().totals(); }

  /// From now on commands ask a running server, with a key that may do `rights`.
  void serve(store::Rights rights, std::vector<std::string> apps = {}) {
    Config config;
    config.store = environment.at("HUFU_STORE");
    config.platforms["wechat"].base_url = platform->base_url();
    library::Surroundings surroundings;
    surroundings.clock = &platform->clock();
    assembly_ = std::move(library::Assembly::build(std::move(config), surroundings).value());
    ASSERT_TRUE(assembly_->start());
    auto key = server::make_api_key().value();
    store::ApiKeyRow row{"test", key.hash, std::move(apps), rights, {}};
    ASSERT_TRUE(store::await<Result<bool>>([&](auto done) {
                  assembly_->registry()->put_key(row, std::move(done));
                }).value());
    server::Server::Options options;
    options.listen = "127.0.0.1:0";
    server_ = std::move(server::Server::start(std::move(options), assembly_->keeper(),
                                              assembly_->registry(), platform->clock())
                            .value());
    environment["HUFU_SERVER"] = "http://" + server_->address();
    environment["HUFU_KEY"] = key.key.reveal();
    // Nothing of the store itself may be used from here on.
    environment["HUFU_STORE"] = "sqlite:/dev/null/no.db";
  }

  store::testing::TempDir dir;
  std::unique_ptr<simulator::Simulator> platform;
  config::Environment environment;
  std::map<std::string, std::string> files;

 private:
  std::unique_ptr<library::Assembly> assembly_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace hufu::cli::testing
