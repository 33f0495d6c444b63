#include "keeper/issuers.hpp"

#include <utility>

namespace hufu::keeper {
namespace {

Terms terms_of(const RenewalRule& rule, const Timing& timing) {
  return {rule, timing.use_slack, timing.refresh_ahead, timing.lease, timing.request_timeout};
}

/// "platform/endpoint/kind", or "platform/kind" where the platform has one way of issuing it.
struct Place {
  explicit Place(std::string_view name) {
    const auto first = name.find('/');
    const auto last = name.rfind('/');
    if (first == std::string_view::npos) return;
    platform = name.substr(0, first);
    kind = name.substr(last + 1);
    if (first != last) endpoint = name.substr(first + 1, last - first - 1);
  }
  std::string platform;
  std::string endpoint;
  std::string kind;
};

}  // namespace

Issuers::Issuers(MakeIssuer make, const Timing& fallback)
    : make_(std::move(make)),
      fallback_(terms_of({RenewalRule::Shape::rotating, fallback.overlap, std::chrono::hours(2), 0,
                          Milliseconds(0)},
                         fallback)) {}

Result<std::uint16_t> Issuers::class_of(const std::string& platform, const std::string& endpoint) {
  for (std::uint32_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i].platform == platform && classes_[i].endpoint == endpoint) {
      return static_cast<std::uint16_t>(i);
    }
  }
  auto main = add(platform, endpoint, {});
  if (!main) return main;
  const std::uint32_t number = classes_.add();
  classes_[number] = {platform, endpoint, known_[*main]->kind, *main, known_[*main]->account};
  return static_cast<std::uint16_t>(number);
}

Result<std::uint16_t> Issuers::issuer_of(std::uint16_t app_class, const std::string& kind) {
  const AppClass& of = classes_[app_class];
  if (kind.empty() || kind == of.main_kind) return of.main_issuer;
  return add(of.platform, of.endpoint, kind);
}

std::uint16_t Issuers::by_name(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  const Place place(name);
  std::uint16_t index = kUnknown;
  if (!place.platform.empty() && !place.kind.empty()) {
    const auto made = add(place.platform, place.endpoint, place.kind);
    if (made && known_[*made]->issuer->name() == name) index = *made;
  }
  by_name_.emplace(name, index);  // Also where there is none: a million rows may name it.
  return index;
}

Result<std::uint16_t> Issuers::add(const std::string& platform, const std::string& endpoint,
                                   const std::string& kind) {
  const auto place = std::tuple(platform, endpoint, kind);
  if (const auto found = by_place_.find(place); found != by_place_.end()) return found->second;
  auto setup = make_(platform, endpoint, kind);
  if (!setup) return tl::unexpected(setup.error());
  const std::string name(setup->issuer->name());
  auto index = static_cast<std::uint16_t>(known_.size());
  const auto found = by_name_.find(name);
  if (found != by_name_.end() && found->second != kUnknown) {
    index = found->second;  // The default endpoint by its name, or the main kind.
  } else {
    const Terms terms = terms_of(setup->issuer->rule(), setup->timing);
    known_.push_back(std::make_unique<KnownIssuer>(
        KnownIssuer{std::move(setup->issuer), platform, setup->kind, terms, setup->account}));
    by_name_.insert_or_assign(name, index);
  }
  by_place_.emplace(place, index);
  return index;
}

}  // namespace hufu::keeper
