#include "config/load.hpp"

#include <algorithm>
#include <climits>

#include "config/draft.hpp"
#include "core/text.hpp"

namespace hufu::config {
namespace {

/// False if a file that counts cannot be read: then nothing else is worth a word.
bool read_file(Draft& draft) {
  struct Candidate {
    std::string path;
    std::string named_by;  ///< Empty: a place that is merely looked at.
  };
  std::vector<Candidate> candidates;
  if (draft.sources.file) {
    candidates = {{*draft.sources.file, "--config"}};
  } else if (const auto* path = find(draft.sources.environment, "HUFU_CONFIG")) {
    candidates = {{*path, "HUFU_CONFIG"}};
  } else {
    candidates = {{"./hufu.toml", {}}, {"/etc/hufu/hufu.toml", {}}};
  }

  for (const Candidate& candidate : candidates) {
    auto text = draft.sources.read_file(candidate.path);
    if (text) return read_file_into(draft, candidate.path, std::move(*text));
    if (text.error().missing && candidate.named_by.empty()) continue;
    std::string named = candidate.named_by.empty() ? "" : ", named by " + candidate.named_by;
    draft.complain(0, "configuration file " + quoted(candidate.path) + named,
                   Error{Fault::config,
                         text.error().missing ? "it does not exist"
                                              : "it cannot be read: " + text.error().reason,
                         text.error().missing ? "Create it, or name another one"
                                              : "Make it readable for the user that runs hufu",
                         {},
                         {}});
    return false;
  }
  return true;
}

void read_flags(Draft& draft) {
  for (const auto& [key, value] : draft.sources.flags) {
    if (const auto* field = setting(key)) {
      draft.set(*field, draft.loaded.config, value,
                {Origin::Source::flag, std::string(field->flag), 0}, key);
    }
  }
}

}  // namespace

std::string Origin::text() const {
  switch (source) {
    case Source::fallback: return "default";
    case Source::file: return where;
    case Source::environment: return "environment " + where;
    case Source::flag: return "flag " + where;
  }
  return where;
}

Origin Loaded::origin(std::string_view key) const {
  auto found = origins.find(key);
  return found == origins.end() ? Origin() : found->second;
}

Examined Draft::finish() && {
  // Those that are not of the file come last.
  auto place = [](int line) { return line == 0 ? INT_MAX : line; };
  std::stable_sort(problems_.begin(), problems_.end(),
                   [&](const auto& a, const auto& b) { return place(a.first) < place(b.first); });
  Examined result{std::move(loaded), {}};
  for (auto& [line, problem] : problems_) result.problems.push_back(std::move(problem));
  return result;
}

Examined examine(const Sources& sources) {
  Draft draft(sources);
  if (read_file(draft)) {
    read_environment(draft);
    read_flags(draft);
    settle(draft);
  }
  return std::move(draft).finish();
}

Result<Loaded> load(const Sources& sources) {
  Examined examined = examine(sources);
  if (!examined.problems.empty()) return tl::unexpected(std::move(examined.problems.front()));
  return std::move(examined.loaded);
}

}  // namespace hufu::config
