#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstddef>
#include <string>

namespace hufu::store::testing {

/// A disk that fails on command: SQLite's own VFS, with a counter in front of every call that
/// touches the disk. One at a time; the file system below stays real.
class FaultyVfs {
 public:
  static constexpr const char* kName = "faulty";

  FaultyVfs() {
    current() = this;
    below_ = sqlite3_vfs_find(nullptr);
    shim_ = *below_;
    shim_.zName = kName;
    shim_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    shim_.xOpen = open;
    shim_.xDelete = [](sqlite3_vfs*, const char* name, int sync) {
      if (int code = fault()) return code;
      return below()->xDelete(below(), name, sync);
    };
    sqlite3_vfs_register(&shim_, 0);
  }
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs() { sqlite3_vfs_unregister(&shim_); }

  /// The `nth` call from now (1: the next) fails with `code`; if `lasting`, all after it, too.
  void fail(int nth, int code, bool lasting) {
    code_ = code;
    lasting_ = lasting;
    fired_ = false;
    countdown_ = nth;
  }
  void heal() { countdown_ = 0; }
  [[nodiscard]] bool fired() const { return fired_; }
  /// How often a file was synced so far.
  [[nodiscard]] int syncs() const { return syncs_; }

 private:
  /// SQLite's file, with ours in front.
  struct File {
    sqlite3_file base;
    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };

  static FaultyVfs*& current() {
    static FaultyVfs* vfs = nullptr;
    return vfs;
  }
  static sqlite3_vfs* below() { return current()->below_; }
  static sqlite3_file* below(sqlite3_file* file) { return reinterpret_cast<File*>(file)->below(); }

  /// What this call has to answer: 0 if it may go on.
  static int fault() {
    FaultyVfs& vfs = *current();
    int left = vfs.countdown_.load();
    while (left > 0) {
      int next = left > 1 ? left - 1 : (vfs.lasting_ ? 1 : 0);
      if (!vfs.countdown_.compare_exchange_weak(left, next)) continue;
      if (left > 1) return 0;
      vfs.fired_ = true;
      return vfs.code_;
    }
    return 0;
  }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    file->pMethods = nullptr;
    if (int code = fault()) return code == SQLITE_FULL ? SQLITE_FULL : SQLITE_CANTOPEN;
    int code = below()->xOpen(below(), name, below(file), flags, out);
    if (code == SQLITE_OK) file->pMethods = methods();
    return code;
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods methods = {
        2,
        [](sqlite3_file* f) { return below(f)->pMethods->xClose(below(f)); },
        [](sqlite3_file* f, void* to, int count, sqlite3_int64 at) {
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_READ : SQLITE_IOERR;
          return below(f)->pMethods->xRead(below(f), to, count, at);
        },
        [](sqlite3_file* f, const void* from, int count, sqlite3_int64 at) {
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_WRITE : code;
          return below(f)->pMethods->xWrite(below(f), from, count, at);
        },
        [](sqlite3_file* f, sqlite3_int64 size) {
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_TRUNCATE : code;
          return below(f)->pMethods->xTruncate(below(f), size);
        },
        [](sqlite3_file* f, int flags) {
          ++current()->syncs_;
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_FSYNC : code;
          return below(f)->pMethods->xSync(below(f), flags);
        },
        [](sqlite3_file* f, sqlite3_int64* size) {
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_FSTAT : SQLITE_IOERR;
          return below(f)->pMethods->xFileSize(below(f), size);
        },
        [](sqlite3_file* f, int level) { return below(f)->pMethods->xLock(below(f), level); },
        [](sqlite3_file* f, int level) { return below(f)->pMethods->xUnlock(below(f), level); },
        [](sqlite3_file* f, int* out) {
          return below(f)->pMethods->xCheckReservedLock(below(f), out);
        },
        [](sqlite3_file* f, int op, void* argument) {
          return below(f)->pMethods->xFileControl(below(f), op, argument);
        },
        [](sqlite3_file* f) { return below(f)->pMethods->xSectorSize(below(f)); },
        [](sqlite3_file* f) { return below(f)->pMethods->xDeviceCharacteristics(below(f)); },
        [](sqlite3_file* f, int region, int size, int extend, void volatile** out) {
          if (int code = fault()) return code == SQLITE_IOERR ? SQLITE_IOERR_SHMMAP : code;
          return below(f)->pMethods->xShmMap(below(f), region, size, extend, out);
        },
        [](sqlite3_file* f, int offset, int count, int flags) {
          return below(f)->pMethods->xShmLock(below(f), offset, count, flags);
        },
        [](sqlite3_file* f) { below(f)->pMethods->xShmBarrier(below(f)); },
        [](sqlite3_file* f, int erase) { return below(f)->pMethods->xShmUnmap(below(f), erase); },
        nullptr,
        nullptr};
    return &methods;
  }

  sqlite3_vfs* below_ = nullptr;
  sqlite3_vfs shim_{};
  std::atomic<int> countdown_{0};
  std::atomic<int> code_{0};
  std::atomic<bool> lasting_{false};
  std::atomic<bool> fired_{false};
  std::atomic<int> syncs_{0};
};

}  // namespace hufu::store::testing
