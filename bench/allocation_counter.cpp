// Counts what a whole program takes from the heap, whatever library asks for it. Preloaded:
//
//   LD_PRELOAD=libhufu_allocation_counter.so HUFU_ALLOCATIONS=FILE hufu serve …
//
// FILE then begins with the number of allocations so far (8 bytes, this machine's order), which
// whoever maps or reads it sees while the program runs.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" {
// glibc's own names of what is replaced below.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<std::uint64_t> before_the_file_is_there{0};
std::atomic<std::uint64_t>* allocations = &before_the_file_is_there;

[[gnu::constructor]] void map_the_counter() {
  const char* path = std::getenv("HUFU_ALLOCATIONS");
  if (path == nullptr) return;
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(std::uint64_t)) != 0) _exit(71);
  void* memory = mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) _exit(71);
  close(file);
  allocations = static_cast<std::atomic<std::uint64_t>*>(memory);
}

void count() { allocations->fetch_add(1, std::memory_order_relaxed); }

}  // namespace

extern "C" {
#define HUFU_EXPORTED [[gnu::visibility("default")]]
HUFU_EXPORTED void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
HUFU_EXPORTED void* calloc(std::size_t members, std::size_t size) {
  count();
  return __libc_calloc(members, size);
}
HUFU_EXPORTED void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
HUFU_EXPORTED void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
HUFU_EXPORTED void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return memalign(alignment, size);
}
HUFU_EXPORTED int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  *memory = memalign(alignment, size);
  return *memory == nullptr ? 12 : 0;  // ENOMEM
}
}
