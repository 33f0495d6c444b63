#include "sink/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/failpoint.hpp"

namespace hufu::sink {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

/// A promise that moved by less is the same one: it is told in whole seconds.
constexpr Milliseconds kSamePromise = seconds(2);
/// What an earlier process left half written is older than this.
constexpr auto kLeftBehind = std::chrono::minutes(1);
/// A file with a token in it is far smaller.
constexpr std::size_t kLargestFile = 64 * 1024;

/// All of `path`, if it holds no more than `most` bytes; wiped by whoever receives it.
std::string content_of(const std::string& path, std::size_t most) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return {};
  std::string text(most + 1, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    got = ::read(file, text.data() + size, text.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while ((got > 0 && size < text.size()) || (got < 0 && errno == EINTR));
  ::close(file);
  if (got < 0 || size > most) {
    wipe(text);
    return {};
  }
  text.resize(size);
  return text;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(file, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

std::string_view advice_for(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return "make the directory, or name another file";
    case EACCES:
    case EPERM: return "let the user that runs hufu write in that directory";
    case ENOSPC:
    case EDQUOT: return "make room there";
    case EROFS: return "mount it to be written, or name another file";
    case EISDIR: return "name a file, not a directory";
    default: return "look at that directory and its file system";
  }
}

}  // namespace

FileSink::FileSink(std::string path, Format format) : path_(std::move(path)), format_(format) {
  const fs::path whole(path_);
  directory_ = whole.has_parent_path() ? whole.parent_path().string() : ".";
  draft_ = "." + whole.filename().string() + ".hufu-";
}

Result<void> FileSink::put(const Grant& grant, SteadyTime until) {
  if (written_.empty()) remove_stale_drafts();
  std::string text = text_of(format_, grant, grant.expires_in) + "\n";
  auto replaced = replace(text);
  if (replaced) {
    written_ = Secret(std::move(text));
    until_ = until;
  }
  wipe(text);
  return replaced;
}

Result<void> FileSink::keep(const Grant& grant, SteadyTime until) {
  std::string present = content_of(path_, kLargestFile);
  const bool lost = present.empty();
  const bool same = written_.same_as(present) && abs(until - until_) < kSamePromise;
  const bool ours = present.find(grant.token.reveal()) != std::string::npos;
  wipe(present);
  if (same || !(lost || ours)) return {};
  return put(grant, until);
}

Result<void> FileSink::replace(std::string_view text) const {
  std::string draft = directory_ + "/" + draft_ + "XXXXXX";
  const int file = ::mkostemp(draft.data(), O_CLOEXEC);  // Mode 0600.
  if (file < 0) return failure("make a file in its directory", errno);
  const auto give_up = [&](std::string_view step) {
    const int error = errno;
    ::unlink(draft.c_str());
    return failure(step, error);
  };
  pass_failpoint("sink.file.made");
  const bool written = write_all(file, text) && ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  errno = error;
  if (!written) return give_up("write it");
  pass_failpoint("sink.file.written");
  if (::rename(draft.c_str(), path_.c_str()) != 0) return give_up("put it in its place");
  pass_failpoint("sink.file.placed");
  return {};
}

Result<void> FileSink::withdraw(const Secret& token) {
  std::string present = content_of(path_, kLargestFile);
  const bool ours = token.empty() || present.find(token.reveal()) != std::string::npos;
  wipe(present);
  if (ours && ::unlink(path_.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
    return failure("remove it", errno);
  }
  written_ = Secret();
  return {};
}

/// Those of processes that were killed while they wrote.
void FileSink::remove_stale_drafts() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.size() != draft_.size() + 6 || !name.starts_with(draft_)) continue;
    const auto at = entry.last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - at < kLeftBehind) continue;
    fs::remove(entry.path(), ignored);
  }
}

tl::unexpected<Error> FileSink::failure(std::string_view step, int error) const {
  return fail(
      Fault::store,
      path_ + ": cannot " + std::string(step) + ": " + std::generic_category().message(error),
      std::string(advice_for(error)));
}

}  // namespace hufu::sink
