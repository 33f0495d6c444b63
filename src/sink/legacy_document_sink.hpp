#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "hufu/store.hpp"
#include "keeper/imported_token.hpp"
#include "sink/sink.hpp"
#include "store/legacy_documents.hpp"
#include "store/sealer.hpp"

namespace hufu::sink {

/// Which legacy document an app has at this moment; nothing where it has none. Callable from any
/// thread.
using FindLegacyName = std::function<std::optional<store::LegacyName>(const std::string& app)>;

/// A MongoDB store with legacy documents, for one thread that waits for its answers.
///
/// Thread-safety: one thread at a time, but for `interrupt`, which any may call.
class LegacyDocumentTarget {
 public:
  LegacyDocumentTarget(std::shared_ptr<store::LegacyDocuments> documents,
                       std::shared_ptr<TokenStore> tokens,
                       std::shared_ptr<const store::Sealer> sealer, const Clock& clock)
      : documents_(std::move(documents)),
        tokens_(std::move(tokens)),
        sealer_(std::move(sealer)),
        clock_(clock) {}

  Result<std::vector<store::LegacyDocument>> find(const store::LegacyName& name);
  Result<bool> make(const store::LegacyName& name, const Secret& token, WallTime promised_until);
  Result<bool> replace(const store::LegacyName& name, store::LegacyDocument found,
                       const Secret& token, WallTime promised_until);
  Result<Record> load(const Key& key);
  /// By the clock that dates the documents.
  [[nodiscard]] WallTime at(SteadyTime moment) const { return documents_->at(moment); }
  [[nodiscard]] WallTime now() const { return at(clock_.steady()); }
  [[nodiscard]] Fingerprint fingerprint(const Secret& token) const {
    return sealer_->fingerprint(token.reveal());
  }

  /// Ends the wait in progress, and every later one, with a failure.
  void interrupt() const;

 private:
  template <class T, class Start>
  Result<T> wait(Start start);
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    bool interrupted = false;
  };

  const std::shared_ptr<store::LegacyDocuments> documents_;
  const std::shared_ptr<TokenStore> tokens_;
  const std::shared_ptr<const store::Sealer> sealer_;
  const Clock& clock_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();  ///< Shared with answers.
};

/// The legacy document of an app: all documents of that name, so that it makes no difference which
/// of them a program reads.
///
/// Programs that read it may write it, too, and what they save may be what they read a moment ago:
/// a token that Hufu has displaced since. `keep` puts the current one in its place, and in that of
/// one that has ended. It leaves a token alone that never was one of Hufu's: whoever fetched that
/// one has displaced the current one. What was Hufu's, and what is current, the store says: a node
/// that has not heard of the newest token yet writes nothing.
class LegacyDocumentSink final : public Sink {
 public:
  LegacyDocumentSink(std::shared_ptr<LegacyDocumentTarget> target, FindLegacyName find_name)
      : target_(std::move(target)), find_name_(std::move(find_name)) {}

  Result<void> put(const Grant& grant, SteadyTime until) override;
  Result<void> keep(const Grant& grant, SteadyTime until) override;
  /// The document stays, and says from now on that its token has ended.
  Result<void> withdraw(const Secret& token) override;

 private:
  Result<void> write(const Grant& grant, SteadyTime until, bool over_others);
  /// False where a program wrote at the same moment: what stands there now has to be looked at.
  Result<bool> try_write(const Grant& grant, SteadyTime until, bool over_others);
  [[nodiscard]] bool may_replace(const store::LegacyDocument& document, const Record& record,
                                 const Grant& grant) const;

  std::shared_ptr<LegacyDocumentTarget> target_;
  const FindLegacyName find_name_;
  std::optional<store::LegacyName> name_;  ///< Where this process wrote last.
};

/// What the keeper asks for before the first token of a key: the newest token in its app's
/// document.
keeper::FindImported import_from(std::shared_ptr<store::LegacyDocuments> documents,
                                 FindLegacyName find_name);

}  // namespace hufu::sink
