#pragma once

#include <openssl/crypto.h>

#include <boost/json/memory_resource.hpp>
#include <cstddef>
#include <new>

namespace hufu::platform {

/// Memory for JSON that holds secrets: what is given back is wiped first. Must outlive every value
/// made in it. One thread at a time.
class WipingMemory final : public boost::json::memory_resource {
 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    return ::operator new(size, std::align_val_t(alignment));
  }
  void do_deallocate(void* memory, std::size_t size, std::size_t alignment) override {
    OPENSSL_cleanse(memory, size);
    ::operator delete(memory, std::align_val_t(alignment));
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace hufu::platform
