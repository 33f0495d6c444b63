#include "config/app_rules.hpp"

namespace hufu::config {

Result<void> check_legacy_document(std::string_view document, std::string_view collection,
                                   std::string_view store) {
  if (document.empty() && collection.empty()) return {};
  if (document.empty()) {
    return fail(Fault::usage, "legacy_collection names no document",
                "Add legacy_document, like \"access_token\"");
  }
  if (!store.starts_with("mongodb:") && !store.starts_with("mongodb+srv:")) {
    return fail(Fault::usage, "legacy_document needs a MongoDB store",
                "Leave it out, or write store = \"mongodb://…\"");
  }
  if (collection.starts_with("hufu_") || collection.starts_with("system.") ||
      collection.find('$') != std::string_view::npos) {
    return fail(Fault::usage, "legacy_collection is not a collection of another program",
                "Name the one that the program reads, like \"tokens\"");
  }
  return {};
}

}  // namespace hufu::config
