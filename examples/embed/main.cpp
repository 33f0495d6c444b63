// Hufu inside a program of yours: the token is kept where you keep things, by two functions.
//
//   WECHAT_APPID=wx… WECHAT_APPSECRET=… ./embed [--show-token]
#include <cstdlib>
#include <hufu/callback_store.hpp>
#include <hufu/keeper.hpp>
#include <iostream>
#include <string_view>

int main(int argc, char** argv) {
  const char* id = std::getenv("WECHAT_APPID");
  const char* secret = std::getenv("WECHAT_APPSECRET");
  if (id == nullptr || secret == nullptr) {
    std::cerr << "embed: set WECHAT_APPID and WECHAT_APPSECRET\n";
    return 2;
  }

  std::optional<hufu::SavedToken> saved;  // your database, your cache, your file
  hufu::Config config;
  hufu::AppConfig& app = config.apps.emplace_back();
  app.id = id;
  app.credentials.emplace(hufu::kSecret, hufu::Secret(std::string_view(secret)));
  config.custom_store = hufu::callback_store(
      {.app = id}, [&] { return saved; }, [&](const hufu::SavedToken& token) { saved = token; });
  if (const char* url = std::getenv("WECHAT_BASE_URL")) config.platforms["wechat"].base_url = url;

  auto keeper = hufu::Keeper::open(std::move(config));
  if (!keeper) {
    std::cerr << "embed: " << keeper.error().message << '\n' << keeper.error().next_step << '\n';
    return 1;
  }
  auto grant = (*keeper)->get();
  if (!grant) {
    std::cerr << "embed: " << grant.error().message << '\n' << grant.error().next_step << '\n';
    return 1;
  }
  std::cout << "good for " << grant->expires_in.count() << " s, revision " << grant->revision
            << '\n';
  if (argc > 1 && std::string_view(argv[1]) == "--show-token") {
    std::cout << grant->token.reveal() << '\n';
  }
}
