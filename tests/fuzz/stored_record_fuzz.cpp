// Columns of a database: read without a crash, and what was read is written so that it reads the
// same again. The first byte names the column.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "store/record_text.hpp"
#include "store/row_text.hpp"

namespace {

using namespace hufu::store;

/// `read` gives nothing for what makes no sense.
template <class Read>
void check(std::string_view text, const Read& read) {
  const auto value = read(text);
  if (!value) return;
  const std::string written = text_of(*value);
  const auto again = read(written);
  if (!again || text_of(*again) != written) std::abort();
}

void check_hex(std::string_view text) {
  const auto bytes = bytes_from_hex(text);
  if (bytes && bytes_from_hex(hex_of(*bytes)) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 9) {
    case 0: check(text, in_doubt_from); break;
    case 1: check(text, fingerprints_from); break;
    case 2: check(text, failure_state_from); break;
    case 3: check(text, budget_from); break;
    case 4: check(text, texts_from); break;
    case 5: check(text, settings_from); break;
    case 6: check(text, credentials_from); break;
    case 7:
      check(text, [](std::string_view each) { return std::optional(rights_from(each)); });
      break;
    default: check_hex(text);
  }
  return 0;
}
