#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace hufu::store::testing {

/// A directory for one test, gone with it. In memory where the system has such a place: no test
/// pulls a plug, so none needs a disk to wait for.
class TempDir {
 public:
  TempDir() {
    for (const auto& place :
         {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
      std::string pattern = (place / "hufu-store-XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr) continue;
      path_ = pattern;
      break;
    }
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace hufu::store::testing
