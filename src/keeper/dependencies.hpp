#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hufu/issuer.hpp"
#include "keeper/app_directory.hpp"

namespace hufu::keeper {

/// A token that a call was made with.
struct NeededToken {
  Key key;
  Secret value;
  std::uint64_t revision = 0;
};

/// What a kind needs: the tokens of other kinds, of the app itself or of its parent. They are seen
/// to before the lease of the one that needs them is taken, so that no lease is held while another
/// token is renewed.
///
/// Not thread-safe: the keeper's own thread only.
class Dependencies {
 public:
  struct Verbs {
    std::function<Task<Result<Grant>>(Key)> get;
    std::function<Task<Result<Report>>(Key, Secret)> report;
  };
  Dependencies(Records& records, AppDirectory& apps) : records_(records), apps_(apps) {}
  void use(Verbs verbs) { verbs_ = std::move(verbs); }

  /// The tokens that `needs` names, in that order, each renewed first where it has to be. An error
  /// is the one of the token that cannot be had; the app that wanted it is not to blame.
  Task<Result<std::vector<NeededToken>>> collect(std::string app, std::vector<Need> needs);
  /// The platform called a needed token dead: reports it. True if there is a successor.
  Task<bool> replace(const NeededToken& refused);
  /// Rows whose kind needs the token of `row`: of the app itself and of its children.
  [[nodiscard]] std::vector<RowHandle> dependents_of(RowHandle row) const;

 private:
  [[nodiscard]] bool needs(RowHandle row, const Need& need) const;

  Records& records_;
  AppDirectory& apps_;
  Verbs verbs_;
};

}  // namespace hufu::keeper
