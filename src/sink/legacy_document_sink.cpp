#include "sink/legacy_document_sink.hpp"

#include <algorithm>
#include <utility>

namespace hufu::sink {
namespace {

using store::LegacyDocument;
using store::LegacyName;
using Documents = std::vector<LegacyDocument>;

/// A promise that moved by less is the same one: it is told in whole seconds.
constexpr Milliseconds kSamePromise = std::chrono::seconds(2);
/// How often to look again at once because a program wrote at the same moment.
constexpr int kMostTries = 3;

}  // namespace

// ---- LegacyDocumentTarget

template <class T, class Start>
Result<T> LegacyDocumentTarget::wait(Start start) {
  auto answer = std::make_shared<std::optional<Result<T>>>();
  start(Done<Result<T>>([signal = signal_, answer](Result<T> outcome) {
    std::lock_guard lock(signal->mutex);
    answer->emplace(std::move(outcome));
    signal->changed.notify_all();
  }));
  std::unique_lock lock(signal_->mutex);
  signal_->changed.wait(lock, [&] { return signal_->interrupted || answer->has_value(); });
  if (*answer) return std::move(**answer);
  return fail(Fault::store, "the wait for the store was ended", "ask again");
}

Result<Documents> LegacyDocumentTarget::find(const LegacyName& name) {
  return wait<Documents>([&](auto done) { documents_->find(name, std::move(done)); });
}

Result<bool> LegacyDocumentTarget::make(const LegacyName& name, const Secret& token,
                                        WallTime promised_until) {
  return wait<bool>(
      [&](auto done) { documents_->make(name, token.clone(), promised_until, std::move(done)); });
}

Result<bool> LegacyDocumentTarget::replace(const LegacyName& name, LegacyDocument found,
                                           const Secret& token, WallTime promised_until) {
  return wait<bool>([&](auto done) {
    documents_->replace(name, std::move(found), token.clone(), promised_until, std::move(done));
  });
}

Result<Record> LegacyDocumentTarget::load(const Key& key) {
  return wait<Record>([&](auto done) { tokens_->load(key, std::move(done)); });
}

void LegacyDocumentTarget::interrupt() const {
  std::lock_guard lock(signal_->mutex);
  signal_->interrupted = true;
  signal_->changed.notify_all();
}

// ---- LegacyDocumentSink

Result<void> LegacyDocumentSink::put(const Grant& grant, SteadyTime until) {
  return write(grant, until, /*over_others=*/true);
}

Result<void> LegacyDocumentSink::keep(const Grant& grant, SteadyTime until) {
  return write(grant, until, /*over_others=*/false);
}

Result<void> LegacyDocumentSink::write(const Grant& grant, SteadyTime until, bool over_others) {
  name_ = find_name_(grant.key.app);
  if (!name_) return {};
  for (int tries = 0; tries < kMostTries; ++tries) {
    auto undisturbed = try_write(grant, until, over_others);
    if (!undisturbed) return tl::unexpected(std::move(undisturbed.error()));
    if (*undisturbed) break;
  }
  return {};
}

Result<bool> LegacyDocumentSink::try_write(const Grant& grant, SteadyTime until, bool over_others) {
  auto documents = target_->find(*name_);
  if (!documents) return tl::unexpected(std::move(documents.error()));
  const WallTime end = target_->at(until);
  const auto is_up_to_date = [&](const LegacyDocument& document) {
    return document.token.same_as(grant.token.reveal()) && document.promised_until &&
           abs(*document.promised_until - end) < kSamePromise;
  };
  if (!documents->empty() && std::all_of(documents->begin(), documents->end(), is_up_to_date)) {
    return true;
  }

  auto record = target_->load(grant.key);
  if (!record) return tl::unexpected(std::move(record.error()));
  if (record->revision > grant.revision) return true;  // A notification of that one is on its way.
  if (documents->empty()) return target_->make(*name_, grant.token, end);
  bool undisturbed = true;
  for (LegacyDocument& document : *documents) {
    if (is_up_to_date(document)) continue;
    if (!over_others && !may_replace(document, *record, grant)) continue;
    auto replaced = target_->replace(*name_, std::move(document), grant.token, end);
    if (!replaced) return replaced;
    undisturbed = undisturbed && *replaced;
  }
  return undisturbed;
}

bool LegacyDocumentSink::may_replace(const LegacyDocument& document, const Record& record,
                                     const Grant& grant) const {
  if (document.token.same_as(grant.token.reveal())) return true;
  const bool ended = !document.promised_until || *document.promised_until <= target_->now();
  if (document.token.empty() || ended) return true;
  const Fingerprint found = target_->fingerprint(document.token);
  const bool was_displaced = std::find(record.predecessors.begin(), record.predecessors.end(),
                                       found) != record.predecessors.end();
  // The current one could not be stored yet, and what is stored is the one before it.
  const bool is_being_displaced = record.revision < grant.revision && record.token &&
                                  record.token->value.same_as(document.token.reveal());
  return was_displaced || is_being_displaced;
}

Result<void> LegacyDocumentSink::withdraw(const Secret& token) {
  if (token.empty() || !name_) return {};  // What an earlier process left has an end of its own.
  auto documents = target_->find(*name_);
  if (!documents) return tl::unexpected(std::move(documents.error()));
  const WallTime now = target_->now();
  for (LegacyDocument& document : *documents) {
    const bool stands = document.promised_until && *document.promised_until > now;
    if (!stands || !document.token.same_as(token.reveal())) continue;
    auto replaced = target_->replace(*name_, std::move(document), token, now);
    if (!replaced) return tl::unexpected(std::move(replaced.error()));
  }
  return {};
}

// ---- import_from

keeper::FindImported import_from(std::shared_ptr<store::LegacyDocuments> documents,
                                 FindLegacyName find_name) {
  using Found = std::optional<keeper::ImportedToken>;
  return [documents = std::move(documents), find_name = std::move(find_name)](
             const Key& key, Done<Result<Found>> done) {
    const auto name = key.kind == kAccessToken ? find_name(key.app) : std::nullopt;
    if (!name) return done(Found());
    documents->find(*name, [done = std::move(done)](Result<Documents> found) {
      if (!found) return done(tl::unexpected(std::move(found.error())));
      for (LegacyDocument& document : *found) {
        if (document.token.empty() || !document.promised_until) continue;
        return done(
            Found({std::move(document.token), *document.promised_until, document.written_at}));
      }
      done(Found());
    });
  };
}

}  // namespace hufu::sink
