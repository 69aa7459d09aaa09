// The threads that the ops of this folder share. Work is divided by position, never by who is free, so that a result does not
// depend on timing.
#ifndef ULMFIT_THREADS_H_
#define ULMFIT_THREADS_H_

#include <atomic>
#include <cstdint>
#include <functional>

namespace ulmfit {

// Threads that take part, the caller's among them: the cores this process may use.
int ThreadCount();

// Runs `body(thread)` once on each thread and returns when all are done. Calls from several threads take turns. `body` must not throw, so
// it allocates nothing: the other threads would go on with what the caller has let go, or wait for one that does not come.
void OnAllThreads(const std::function<void(int thread)>& body);

// A part of [0, size) for one thread; the parts cover it in order.
struct Range {
  int64_t begin;
  int64_t end;
};
inline Range PartOf(int64_t size, int thread) {
  const int64_t count = ThreadCount();
  return {size * thread / count, size * (thread + 1) / count};
}

// Runs `body(begin, end)` over the parts of [0, size).
template <typename Body>
void InParallel(int64_t size, Body body) {
  OnAllThreads([&](int thread) {
    const Range range = PartOf(size, thread);
    if (range.begin < range.end) body(range.begin, range.end);
  });
}

// All threads of one OnAllThreads meet here before any goes on.
class Barrier {
 public:
  void Wait();

 private:
  std::atomic<int> waiting_{0};
  std::atomic<int> round_{0};
};

}  // namespace ulmfit

#endif  // ULMFIT_THREADS_H_
