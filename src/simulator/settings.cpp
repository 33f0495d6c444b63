#include "simulator/settings.hpp"

#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <variant>

namespace hufu::simulator {
namespace {

namespace json = boost::json;

using Member = std::variant<bool Settings::*, int Settings::*, Milliseconds Settings::*,
                            std::vector<std::string> Settings::*>;
struct Row {
  std::string_view name;
  Member member;
};
constexpr std::array kRows = {
    Row{"lifetime", &Settings::lifetime},
    Row{"overlap", &Settings::overlap},
    Row{"strict", &Settings::strict},
    Row{"token_length", &Settings::token_length},
    Row{"slides", &Settings::slides},
    Row{"ticket_tells_left", &Settings::ticket_tells_left},
    Row{"token_calls_a_day", &Settings::token_calls_a_day},
    Row{"stable_calls_a_day", &Settings::stable_calls_a_day},
    Row{"stable_calls_a_minute", &Settings::stable_calls_a_minute},
    Row{"forced_a_day", &Settings::forced_a_day},
    Row{"forced_apart", &Settings::forced_apart},
    Row{"forced_excess_refused", &Settings::forced_excess_refused},
    Row{"secret_frozen", &Settings::secret_frozen},
    Row{"ip_list", &Settings::ip_list},
    Row{"verdict", &Settings::verdict},
    Row{"revoked_lingers", &Settings::revoked_lingers},
    Row{"malformed_is_40014", &Settings::malformed_is_40014},
};

bool read(const json::value& value, bool& into) {
  if (!value.is_bool()) return false;
  into = value.get_bool();
  return true;
}

bool read(const json::value& value, int& into) {
  json::error_code error;
  int number = value.to_number<int>(error);
  if (error) return false;
  into = number;
  return true;
}

bool read(const json::value& value, Milliseconds& into) {
  if (!value.is_string()) return false;
  auto span = parse_duration(value.get_string());
  if (!span) return false;
  into = *span;
  return true;
}

bool read(const json::value& value, std::vector<std::string>& into) {
  if (!value.is_array()) return false;
  std::vector<std::string> list;
  for (const json::value& item : value.get_array()) {
    if (!item.is_string()) return false;
    list.emplace_back(item.get_string());
  }
  into = std::move(list);
  return true;
}

json::value shown(bool value) { return value; }
json::value shown(int value) { return value; }
json::value shown(Milliseconds value) { return json::string(format_duration(value)); }
json::value shown(const std::vector<std::string>& value) {
  return json::array(value.begin(), value.end());
}

}  // namespace

Result<void> apply(const json::object& patch, Settings& settings) {
  Settings changed = settings;
  for (const auto& [name, value] : patch) {
    const Row* row = nullptr;
    for (const Row& each : kRows)
      if (each.name == std::string_view(name)) row = &each;
    if (row == nullptr) return fail(Fault::usage, "there is no setting " + std::string(name));
    // Named again, because clang 14 captures no structured binding.
    bool fits = std::visit(
        [&, &given = value](auto member) { return read(given, changed.*member); }, row->member);
    if (!fits)
      return fail(Fault::usage, "the value of " + std::string(name) + " does not fit",
                  "Give it as GET /sim/state shows it.");
  }
  if (changed.lifetime <= Milliseconds(0)) return fail(Fault::usage, "lifetime must be above zero");
  if (changed.token_length < 40 || changed.token_length > 4096)
    return fail(Fault::usage, "token_length must be 40 to 4096");
  settings = std::move(changed);
  return {};
}

json::object to_json(const Settings& settings) {
  json::object object;
  for (const Row& row : kRows)
    object[row.name] = std::visit([&](auto member) { return shown(settings.*member); }, row.member);
  return object;
}

Result<Milliseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  static constexpr std::array kUnits = {Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000},
                                        Unit{"h", 3'600'000}};
  constexpr double kLongest = 1e15;  // 30,000 years: the sum with any moment still fits.
  double number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error == std::errc{}) {
    std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const Unit& unit : kUnits)
      if (unit.name == rest && number >= 0 && number * unit.milliseconds < kLongest)
        return Milliseconds(static_cast<Milliseconds::rep>(number * unit.milliseconds));
  }
  return fail(Fault::usage, "not a length of time: \"" + std::string(text) + "\"",
              "Write it like \"90s\", \"500ms\", \"30m\" or \"2h\".");
}

std::string format_duration(Milliseconds span) {
  auto count = span.count();
  if (count % 1000 != 0) return std::to_string(count) + "ms";
  return std::to_string(count / 1000) + "s";
}

}  // namespace hufu::simulator
