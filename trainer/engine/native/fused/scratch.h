// Memory that an op needs for the time of a call, kept for the next call: fresh pages are slow.
#ifndef ULMFIT_SCRATCH_H_
#define ULMFIT_SCRATCH_H_

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace ulmfit {

class Scratch {
 public:
  // At least `count` numbers, aligned for vectors, with any content.
  template <typename T = float>
  T* Get(int64_t count) {
    const size_t bytes = count * sizeof(T);
    if (bytes > bytes_) {
      bytes_ = 0;
      memory_.reset();
      const size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
      void* memory = nullptr;
      if (posix_memalign(&memory, kHugePage, whole) != 0) throw std::bad_alloc();
      madvise(memory, whole, MADV_HUGEPAGE);  // Advice only: where it is refused, pages are small.
      memory_.reset(memory);
      bytes_ = whole;
    }
    return static_cast<T*>(memory_.get());
  }

 private:
  static constexpr size_t kHugePage = size_t{1} << 21;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t bytes_ = 0;
};

}  // namespace ulmfit

#endif  // ULMFIT_SCRATCH_H_
