#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/error.hpp"
#include "hufu/issuer.hpp"
#include "net/http_client.hpp"
#include "platform/description.hpp"

namespace hufu::platform {

/// Every platform that there is: those that Hufu knows, and those that a configuration describes.
/// Whoever asks which platforms, kinds, settings or credentials there are asks here.
///
/// Thread-safety: a plain value. What is returned by pointer lives as long as the catalog.
class Catalog {
 public:
  /// Those that Hufu knows.
  Catalog();
  /// And those that `config` describes. Whether their descriptions make sense is not checked here
  /// (`check_custom_platform`); one by the name of a platform that Hufu knows is not looked at.
  explicit Catalog(const Config& config);

  /// In order of name.
  [[nodiscard]] const std::vector<PlatformDescription>& platforms() const noexcept {
    return platforms_;
  }
  [[nodiscard]] std::vector<std::string_view> names() const;
  /// Null if there is none.
  [[nodiscard]] const PlatformDescription* find(std::string_view platform) const noexcept;
  /// Fault::config, naming those there are, if there is none.
  [[nodiscard]] Result<const PlatformDescription*> platform(std::string_view name) const;
  /// Those that `config` has an app of or says something about; and the one that an app is of
  /// unless it says otherwise, where there is no app.
  [[nodiscard]] std::vector<const PlatformDescription*> in_use(const Config& config) const;

 private:
  std::vector<PlatformDescription> platforms_;
};

/// "rotating", "windowed", "sticky", "independent".
std::string_view name_of(RenewalRule::Shape shape) noexcept;

/// The kind that is kept for each app of the platform.
const std::string& main_kind(const PlatformDescription& platform) noexcept;
/// Each name once, the main kind first.
std::vector<std::string_view> kind_names(const PlatformDescription& platform);

/// Null if the platform has none of that name.
const SettingDescription* find_setting(const PlatformDescription& platform,
                                       std::string_view name) noexcept;
const CredentialDescription* find_credential(const PlatformDescription& platform,
                                             std::string_view name) noexcept;
/// What an app with these settings has for `name`: its own value, else the default.
std::string_view effective_setting(const PlatformDescription& platform, const Settings& settings,
                                   std::string_view name) noexcept;

/// How apps with these settings get tokens of a kind; an empty one is the main kind.
/// Fault::unknown_kind, naming those there are, if the platform has none of that name;
/// Fault::config if the settings choose a way that it has not.
Result<const KindDescription*> find_kind(const PlatformDescription& platform, std::string_view kind,
                                         const Settings& settings);

/// "wechat/jsapi_ticket", or "wechat/stable/access_token" where a setting chooses: the name that is
/// stored with each token.
std::string issuer_name(const PlatformDescription& platform, const KindDescription& kind);

/// The issuer of one kind, at the platform's address and with the overlap that `config` says. An
/// empty endpoint is the platform's default, an empty kind its main one. What does not exist is an
/// error that names what does: Fault::config for a platform or an endpoint, Fault::unknown_kind for
/// a kind. An address that may not be called is Fault::config, too.
Result<std::shared_ptr<Issuer>> make_issuer(const Catalog& catalog, const Config& config,
                                            std::string_view platform, std::string_view endpoint,
                                            std::string_view kind,
                                            std::shared_ptr<net::HttpClient> client);

}  // namespace hufu::platform
