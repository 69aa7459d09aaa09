// Softmax cross-entropy with the decoder's bias, value and gradient in one visit to each row of logits.
#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "lanes.h"
#include "scratch.h"
#include "threads.h"

namespace ulmfit {

// Inputs: logits [rows, words] without their bias, overwritten with the gradient of `scale · Σ losses` in them; bias [words];
// targets [rows], int32; scale, a scalar. Outputs: losses [rows], nats; the gradient of `scale · Σ losses` in the bias [words].
// Exponentials are computed twice rather than kept: logits in bfloat16 have no room for them, and arithmetic costs less than memory.
template <typename T>
void SoftmaxCrossEntropy(Context& context) {
  const Input logitsInput = context.input(0, "logits", {-1, -1});
  const int64_t rows = logitsInput.dim(0);
  const int64_t words = logitsInput.dim(1);
  const Input biasInput = context.input(1, "bias", {words});
  const Input targetsInput = context.input(2, "targets", {rows});
  const Input scaleInput = context.input(3, "scale", {});
  float* const losses = context.output(0, {rows});
  float* const biasGradient = context.output(1, {words});
  T* const logits = logitsInput.overwritten<T>();
  const float* const bias = biasInput.data<float>();
  const int32_t* const targets = targetsInput.data<int32_t>();
  const float scale = *scaleInput.data<float>();
  for (int64_t row = 0; row < rows; row++) {
    if (targets[row] < 0 || targets[row] >= words) throw std::invalid_argument("a target is not one of the words");
  }

  static thread_local Scratch scratch;
  float* const parts = scratch.Get(ThreadCount() * words);
  OnAllThreads([&](int thread) {
    float* const part = parts + thread * words;
    std::fill_n(part, words, 0.0f);
    const Range range = PartOf(rows, thread);
    for (int64_t row = range.begin; row < range.end; row++) {
      T* const x = logits + row * words;
      const auto biased = [&](int64_t k, auto count) { return Load(x + k, count) + Load(bias + k, count); };
      Lanes highest = Broadcast(-3.4e38f);
      for (int64_t k = 0; k < words; k += kLanes) {
        WithLanes(words - k, [&](auto count) { highest = Max(highest, Padded(biased(k, count), count, -3.4e38f)); });
      }
      const float max = Max(highest);
      Lanes total = {};
      for (int64_t k = 0; k < words; k += kLanes) {
        WithLanes(words - k, [&](auto count) { total += Padded(Exp(biased(k, count) - max), count, 0); });
      }
      const float sum = Sum(total);
      const float wanted = biased(targets[row], 1)[0] - max;
      const float share = scale / sum;
      for (int64_t k = 0; k < words; k += kLanes) {
        WithLanes(words - k, [&](auto count) {
          const Lanes gradient = Exp(biased(k, count) - max) * share;
          Store(x + k, gradient, count);
          Store(part + k, Load(part + k, count) + gradient, count);
        });
      }
      losses[row] = std::log(sum) - wanted;
      Assign(x + targets[row], Exp(Broadcast(wanted))[0] * share - scale);
      part[targets[row]] -= scale;
    }
  });
  InParallel(words, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      float sum = 0;
      for (int thread = 0; thread < ThreadCount(); thread++) sum += parts[thread * words + k];
      biasGradient[k] = sum;
    }
  });
}

template void SoftmaxCrossEntropy<float>(Context& context);
template void SoftmaxCrossEntropy<Bf16>(Context& context);

}  // namespace ulmfit
