#include "store/directories.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace hufu::store {

Error cannot_make(const std::string& path, int error) {
  return {Fault::store,
          "cannot make " + path + ": " + std::strerror(error),
          "check the path, and that the user that runs hufu may write there",
          {},
          {}};
}

Result<void> make_directories_for(const std::string& path) {
  std::string directory;
  for (const auto& part : std::filesystem::path(path).parent_path()) {
    directory = (std::filesystem::path(directory) / part).string();
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
      // A directory that exists may say something else than "exists", where it cannot be written.
      int error = errno;
      struct stat status {};
      if (stat(directory.c_str(), &status) != 0) {
        return tl::unexpected(cannot_make("the directory " + directory, error));
      }
    }
  }
  return {};
}

}  // namespace hufu::store
