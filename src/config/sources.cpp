#include "config/sources.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "hufu/secret.hpp"

namespace hufu::config {
namespace {

tl::unexpected<FileFailure> failure(int error) {
  return tl::unexpected(
      FileFailure{error == ENOENT || error == ENOTDIR, std::generic_category().message(error)});
}

tl::expected<std::string, FileFailure> read_whole(const std::string& path) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failure(errno);

  // Room for all of it at once: a string that grows leaves copies behind, and this may be a secret.
  std::string text(kLargestFile + 1, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    got = read(file, text.data() + size, text.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while ((got > 0 && size < text.size()) || (got < 0 && errno == EINTR));
  int error = errno;
  close(file);

  if (got < 0 || size > kLargestFile) {
    wipe(text);
    if (got < 0) return failure(error);
    return tl::unexpected(FileFailure{false, "larger than 1 MiB"});
  }
  text.resize(size);
  return text;
}

}  // namespace

const std::string* find(const Environment& environment, std::string_view name) {
  auto found = environment.find(name);
  return found == environment.end() || found->second.empty() ? nullptr : &found->second;
}

Environment system_environment() {
  Environment result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view pair(*entry);
    auto equals = pair.find('=');
    if (equals != std::string_view::npos) {
      result.emplace(pair.substr(0, equals), pair.substr(equals + 1));
    }
  }
  return result;
}

ReadFile system_files() { return read_whole; }

}  // namespace hufu::config
