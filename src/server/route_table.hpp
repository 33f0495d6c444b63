#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/catalog.hpp"
#include "server/drop_in.hpp"
#include "server/route.hpp"

namespace hufu::server {

/// Everything that can be asked: the platforms' own routes, from the catalog, and Hufu's.
///
/// Thread-safety: nothing in it changes. Routes live as long as the table.
class RouteTable {
 public:
  explicit RouteTable(const platform::Catalog& catalog);
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  /// A path of several methods stands on neighbouring lines.
  [[nodiscard]] std::span<const Route> routes() const noexcept { return routes_; }
  /// The place of `route` in the table, or the table's size for a request that matched none.
  [[nodiscard]] std::size_t index_of(const Route* route) const noexcept;

  struct Found {
    const Route* route = nullptr;
    std::string_view app{};  ///< Not decoded.
    /// The lines of this path, where the method that was used is none of theirs.
    std::span<const Route> others{};
  };
  /// A HEAD is looked for as a GET. Allocates nothing.
  [[nodiscard]] Found find(std::string_view method, std::string_view path) const noexcept;
  [[nodiscard]] bool is_drop_in(std::string_view path) const noexcept;
  /// Who answers for a path of a platform at which there is nothing; null: nobody does.
  [[nodiscard]] const DropInDialect* dialect_below(std::string_view path) const noexcept;

 private:
  struct Lines {
    std::size_t first = 0;
    std::size_t count = 0;
  };

  [[nodiscard]] std::span<const Route> lines(const Lines& lines) const noexcept {
    return std::span<const Route>(routes_).subspan(lines.first, lines.count);
  }

  const DropIns drop_ins_;
  std::vector<Route> routes_;
  boost::unordered_flat_map<std::string_view, Lines> by_path_;  ///< Those without "{app}".
  std::vector<Lines> with_app_;
};

}  // namespace hufu::server
