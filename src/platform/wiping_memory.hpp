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
  // Boost.JSON 1.81 gives memory back under another alignment than it asked for, so neither is
  // looked at: what `new` returns is aligned for everything that JSON is made of.
  void* do_allocate(std::size_t size, std::size_t) override { return ::operator new(size); }
  void do_deallocate(void* memory, std::size_t size, std::size_t) override {
    OPENSSL_cleanse(memory, size);
    ::operator delete(memory);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace hufu::platform
