#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "hufu/config.hpp"
#include "hufu/issuer.hpp"
#include "keeper/rules.hpp"
#include "keeper/stable_vector.hpp"

namespace hufu::keeper {

/// An issuer as the catalog of platforms hands it out.
struct IssuerSetup {
  std::shared_ptr<Issuer> issuer;
  std::string kind;       ///< That it issues.
  std::string main_kind;  ///< Of the platform.
  Timing timing;          ///< As it holds for this platform.
  /// The setting that holds the platform's own id of an app, where several apps share one; empty:
  /// that is the app's id.
  std::string account{};
};

/// Makes the issuer of one (platform, endpoint, kind); an empty endpoint is the platform's default,
/// an empty kind its main kind. Fault::config for an unknown platform or endpoint,
/// Fault::unknown_kind for a kind that the platform does not have.
using MakeIssuer = std::function<Result<IssuerSetup>(
    const std::string& platform, const std::string& endpoint, const std::string& kind)>;

struct KnownIssuer {
  std::shared_ptr<Issuer> issuer;
  std::string platform;
  std::string kind;
  Terms terms;
  std::string account;  ///< As in IssuerSetup.
};

/// What apps have in common that are of one platform and one endpoint.
struct AppClass {
  std::string platform;
  std::string endpoint;  ///< As the app's setting says it; empty: the platform's default.
  std::string main_kind;
  std::uint16_t main_issuer = 0;
  std::string account;  ///< As in IssuerSetup.
};

/// The issuers and the classes of apps that this process has met, by number: rows hold numbers.
/// Those that were met are never forgotten, so that a number stays good.
///
/// Thread-safety: the keeper's own thread only, but for `app_class`, which any thread may call that
/// learnt of the number by way of a lock or an atomic.
class Issuers {
 public:
  /// In place of an index: the token is of an issuer that this process knows nothing about.
  static constexpr std::uint16_t kUnknown = UINT16_MAX;

  /// `fallback`: of what is promised of a token of an unknown issuer; the most careful guess.
  Issuers(MakeIssuer make, const Timing& fallback);

  Result<std::uint16_t> class_of(const std::string& platform, const std::string& endpoint);
  /// The issuer of a kind for apps of that class; an empty kind is the main kind.
  Result<std::uint16_t> issuer_of(std::uint16_t app_class, const std::string& kind);
  /// Of the name that is stored with a token; kUnknown where there is none.
  std::uint16_t by_name(std::string_view name);

  [[nodiscard]] const KnownIssuer& at(std::uint16_t index) const { return *known_[index]; }
  /// As `at(index).terms`, and the fallback for kUnknown.
  [[nodiscard]] const Terms& terms(std::uint16_t index) const {
    return index == kUnknown ? fallback_ : known_[index]->terms;
  }
  [[nodiscard]] const AppClass& app_class(std::uint16_t index) const noexcept {
    return classes_[index];
  }

 private:
  Result<std::uint16_t> add(const std::string& platform, const std::string& endpoint,
                            const std::string& kind);

  const MakeIssuer make_;
  Terms fallback_;
  std::vector<std::unique_ptr<KnownIssuer>> known_;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint16_t> by_place_;
  std::map<std::string, std::uint16_t, std::less<>> by_name_;
  StableVector<AppClass, 16> classes_;
};

}  // namespace hufu::keeper
