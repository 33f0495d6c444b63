#include "store/key_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "store/directories.hpp"

namespace hufu::store {
namespace {

/// Far more than a key a day for a century.
constexpr off_t kLargestFile = 4 * 1024 * 1024;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

tl::unexpected<Error> cannot(std::string_view what, const std::string& path, int error) {
  return fail(Fault::config,
              "cannot " + std::string(what) + " the key file " + path + ": " + std::strerror(error),
              "let the user that runs hufu read the file and write its directory");
}

std::string directory_of(const std::string& path) {
  auto directory = std::filesystem::path(path).parent_path();
  return directory.empty() ? "." : directory.string();
}

/// A new name in a directory is durable once the directory is.
bool sync_directory(const std::string& path) {
  File directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.is_open() && fsync(directory.get()) == 0;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// A whole, durable file beside the one at `path`, waiting for its name; removed again unless it
/// gets it.
class Draft {
 public:
  explicit Draft(const std::string& path)
      : name_(path + ".new-XXXXXX"), file_(mkostemp(name_.data(), O_CLOEXEC)) {}  // mode 0600
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    if (file_.is_open()) unlink(name_.c_str());
  }
  [[nodiscard]] bool write(const Keyring& ring) {
    Secret text = ring.text();
    return file_.is_open() && write_all(file_.get(), text.reveal()) && fsync(file_.get()) == 0;
  }
  /// Gives the draft to the owner of `other`, whom the server may run as.
  [[nodiscard]] bool give_to_owner_of(int other) {
    struct stat status {};
    if (fstat(other, &status) != 0) return false;
    if (status.st_uid == geteuid() && status.st_gid == getegid()) return true;
    return fchown(file_.get(), status.st_uid, status.st_gid) == 0;
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  File file_;
};

Result<Keyring> read_open_file(int file, const std::string& path) {
  struct stat status {};
  if (fstat(file, &status) != 0) return cannot("read", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return fail(Fault::config, "the key file " + path + " is not a file", "name a file");
  }
  if ((status.st_mode & 077) != 0) {
    return fail(Fault::config, "the key file " + path + " can be read by others than its owner",
                "chmod 600 " + path + ", and rotate the key if somebody may have read it");
  }
  if (status.st_size > kLargestFile) {
    return fail(Fault::config, "the key file " + path + " is too large to be one",
                "check the name");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    ssize_t got = ::read(file, text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int error = errno;
      wipe(text);
      return cannot("read", path, error);
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  auto ring = Keyring::parse(std::string_view(text).substr(0, filled), path);
  wipe(text);
  return ring;
}

}  // namespace

Result<std::optional<Keyring>> read_key_file(const std::string& path) {
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::optional<Keyring>();
    return cannot("open", path, errno);
  }
  auto ring = read_open_file(file.get(), path);
  if (!ring) return tl::unexpected(ring.error());
  return std::optional<Keyring>(std::move(*ring));
}

Result<Keyring> create_key_file(const std::string& path, const Keyring& ring) {
  if (auto made = make_directories_for(path); !made) return tl::unexpected(made.error());
  Draft draft(path);
  if (!draft.write(ring)) return cannot("write", path, errno);
  // Unlike a rename, a link never replaces what another process has put there meanwhile.
  if (link(draft.name().c_str(), path.c_str()) != 0 && errno != EEXIST) {
    return cannot("make", path, errno);
  }
  if (!sync_directory(path)) return cannot("make", path, errno);
  auto stored = read_key_file(path);
  if (!stored) return tl::unexpected(stored.error());
  if (!*stored) return cannot("read", path, ENOENT);
  return std::move(**stored);
}

Result<Keyring> add_key_to_file(const std::string& path) {
  while (true) {
    File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open() || flock(file.get(), LOCK_EX) != 0) return cannot("open", path, errno);
    // Whoever held the lock before us has put another file in this one's place.
    struct stat locked {};
    struct stat named {};
    if (fstat(file.get(), &locked) != 0 || stat(path.c_str(), &named) != 0) {
      return cannot("open", path, errno);
    }
    if (locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) continue;

    auto ring = read_open_file(file.get(), path);
    if (!ring) return ring;
    if (auto added = ring->add_key(); !added) return tl::unexpected(added.error());
    Draft draft(path);
    if (!draft.write(*ring) || !draft.give_to_owner_of(file.get())) {
      return cannot("write", path, errno);
    }
    if (rename(draft.name().c_str(), path.c_str()) != 0 || !sync_directory(path)) {
      return cannot("replace", path, errno);
    }
    return ring;
  }
}

std::optional<std::string> stamp_of_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::to_string(status.st_ino) + "/" + std::to_string(status.st_size) + "/" +
         std::to_string(status.st_ctim.tv_sec) + "." + std::to_string(status.st_ctim.tv_nsec);
}

}  // namespace hufu::store
