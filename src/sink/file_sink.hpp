#pragma once

#include <string>

#include "sink/sink.hpp"
#include "sink/token_text.hpp"

namespace hufu::sink {

/// A file that holds the token and a newline, readable for its owner only (mode 0600).
///
/// It is replaced as a whole: whoever opens it, whenever, and whatever becomes of Hufu meanwhile,
/// finds one whole token or no file. Its time of modification is when the promise was made: the
/// `expires_in` of the JSON form counts from there. The directory must exist; in it, for a moment,
/// there is a second file, named ".NAME.hufu-" and six characters.
class FileSink final : public Sink {
 public:
  /// `format` is raw or object.
  FileSink(std::string path, Format format);

  Result<void> put(const Grant& grant, SteadyTime until) override;
  Result<void> keep(const Grant& grant, SteadyTime until) override;
  Result<void> withdraw(const Secret& token) override;

 private:
  Result<void> replace(std::string_view text) const;
  void remove_stale_drafts() const;
  [[nodiscard]] tl::unexpected<Error> failure(std::string_view step, int error) const;

  std::string path_;
  std::string directory_;
  std::string draft_;  ///< What the names of drafts begin with.
  Format format_;
  Secret written_;  ///< What this process wrote last; empty: nothing.
  SteadyTime until_{};
};

}  // namespace hufu::sink
