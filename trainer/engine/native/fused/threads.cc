#include "threads.h"

#include <sched.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace ulmfit {
namespace {

// How often to look before the core is given to someone else: some microseconds.
constexpr int kSpins = 2000;

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

// Numbers too small for the exponent count as 0 while an op runs: arithmetic with them is many times slower, and gradients decay
// through them.
class FlushSmallNumbers {
 public:
#if defined(__x86_64__)
  FlushSmallNumbers() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
  ~FlushSmallNumbers() { __builtin_ia32_ldmxcsr(before_); }

 private:
  const unsigned before_;
#endif
};

template <typename Condition>
bool SpinUntil(Condition condition) {
  for (int i = 0; i < kSpins; i++) {
    if (condition()) return true;
    Relax();
  }
  return false;
}

// Ends the process where an exception gets here, with its name: better than threads that work on freed memory.
void Call(const std::function<void(int)>& body, int thread) noexcept { body(thread); }

int AllowedCores() {
  cpu_set_t cores;
  const int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
  return count > 0 ? count : 1;
}

// Never destroyed: its threads sleep until the process ends.
class Pool {
 public:
  explicit Pool(int size) : size_(size) {
    for (int thread = 1; thread < size; thread++) std::thread([this, thread] { Serve(thread); }).detach();
  }

  int size() const { return size_; }

  void Run(const std::function<void(int)>& body) {
    std::lock_guard<std::mutex> turn(turn_);
    body_ = &body;
    left_.store(size_ - 1, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    {
      const FlushSmallNumbers flush;
      Call(body, 0);
    }
    while (!SpinUntil([this] { return left_.load(std::memory_order_acquire) == 0; })) sched_yield();
  }

 private:
  void Serve(int thread) {
    const FlushSmallNumbers flush;
    for (int done = 0;; done++) {
      const auto called = [&] { return job_.load(std::memory_order_acquire) != done; };
      if (!SpinUntil(called)) {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, called);
      }
      Call(*body_, thread);
      left_.fetch_sub(1, std::memory_order_release);
    }
  }

  const int size_;
  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> job_{0};
  std::atomic<int> left_{0};
  const std::function<void(int)>* body_ = nullptr;
};

Pool& SharedPool() {
  static Pool* pool = new Pool(AllowedCores());
  return *pool;
}

}  // namespace

int ThreadCount() { return SharedPool().size(); }

void OnAllThreads(const std::function<void(int)>& body) { SharedPool().Run(body); }

void Barrier::Wait() {
  const int round = round_.load(std::memory_order_relaxed);
  if (waiting_.fetch_add(1, std::memory_order_acq_rel) == ThreadCount() - 1) {
    waiting_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  while (!SpinUntil([&] { return round_.load(std::memory_order_acquire) != round; })) sched_yield();
}

}  // namespace ulmfit
