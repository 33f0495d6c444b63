#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/legacy_documents.hpp"

namespace hufu::sink::testing {

inline const store::LegacyName kLegacyName{"tokens", "access_token"};

/// Documents of that name, in memory.
class FakeDocuments final : public store::LegacyDocuments {
 public:
  explicit FakeDocuments(const Clock& clock) : clock_(clock) {}

  void find(store::LegacyName name,
            Done<Result<std::vector<store::LegacyDocument>>> done) override {
    if (hangs) return;
    EXPECT_EQ(name, kLegacyName);
    std::vector<store::LegacyDocument> found;
    for (const store::LegacyDocument& each : all) found.push_back(clone(each));
    done(std::move(found));
    if (before_write) std::exchange(before_write, nullptr)();
  }
  void make(store::LegacyName, Secret token, WallTime end, Done<Result<bool>> done) override {
    all.push_back({"made", std::move(token), end, at(clock_.steady())});
    ++writes;
    done(true);
  }
  void replace(store::LegacyName, store::LegacyDocument found, Secret token, WallTime end,
               Done<Result<bool>> done) override {
    for (store::LegacyDocument& each : all) {
      if (each.id != found.id || !each.token.same_as(found.token.reveal())) continue;
      each = {each.id, std::move(token), end, at(clock_.steady())};
      ++writes;
      return done(true);
    }
    done(false);
  }
  [[nodiscard]] WallTime at(SteadyTime moment) const override {
    return clock_.wall() + (moment - clock_.steady());
  }

  static store::LegacyDocument clone(const store::LegacyDocument& document) {
    return {document.id, document.token.clone(), document.promised_until, document.written_at};
  }

  std::vector<store::LegacyDocument> all;
  int writes = 0;
  std::function<void()> before_write;  ///< Runs between what a sink finds and what it does.
  bool hangs = false;                  ///< Whether `find` never answers.

 private:
  const Clock& clock_;
};

}  // namespace hufu::sink::testing
