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
  // At least `size` floats, aligned for vectors, with any content.
  float* Floats(int64_t size) {
    if (size > size_) {
      size_ = 0;
      floats_.reset();
      const size_t bytes = (size * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
      void* memory = nullptr;
      if (posix_memalign(&memory, kHugePage, bytes) != 0) throw std::bad_alloc();
      madvise(memory, bytes, MADV_HUGEPAGE);  // Advice only: where it is refused, pages are small.
      floats_.reset(static_cast<float*>(memory));
      size_ = size;
    }
    return floats_.get();
  }

 private:
  static constexpr size_t kHugePage = size_t{1} << 21;
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  std::unique_ptr<float[], Free> floats_;
  int64_t size_ = 0;
};

}  // namespace ulmfit

#endif  // ULMFIT_SCRATCH_H_
