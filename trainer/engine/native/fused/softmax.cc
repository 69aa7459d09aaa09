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
void SoftmaxCrossEntropy(Context& context) {
  const Input logitsInput = context.input(0, "logits", {-1, -1});
  const int64_t rows = logitsInput.dim(0);
  const int64_t words = logitsInput.dim(1);
  const Input biasInput = context.input(1, "bias", {words});
  const Input targetsInput = context.input(2, "targets", {rows});
  const Input scaleInput = context.input(3, "scale", {});
  float* const losses = context.output(0, {rows});
  float* const biasGradient = context.output(1, {words});
  float* const logits = logitsInput.overwritten();
  const float* const bias = biasInput.data<float>();
  const int32_t* const targets = targetsInput.data<int32_t>();
  const float scale = *scaleInput.data<float>();
  for (int64_t row = 0; row < rows; row++) {
    if (targets[row] < 0 || targets[row] >= words) throw std::invalid_argument("a target is not one of the words");
  }

  static thread_local Scratch scratch;
  float* const parts = scratch.Floats(ThreadCount() * words);
  OnAllThreads([&](int thread) {
    float* const part = parts + thread * words;
    std::fill_n(part, words, 0.0f);
    const Range range = PartOf(rows, thread);
    for (int64_t row = range.begin; row < range.end; row++) {
      float* const x = logits + row * words;
      Lanes highest = Broadcast(-3.4e38f);
      for (int64_t k = 0; k < words; k += kLanes) {
        const int64_t left = words - k;
        const Lanes biased = Load(x + k, left) + Load(bias + k, left);
        Store(x + k, biased, left);
        if (left >= kLanes) highest = Max(highest, biased);
      }
      float max = Max(highest);
      for (int64_t k = words / kLanes * kLanes; k < words; k++) max = std::max(max, x[k]);
      const float wanted = x[targets[row]] - max;
      Lanes total = {};
      for (int64_t k = 0; k < words; k += kLanes) {
        const int64_t left = words - k;
        const Lanes exponential = Exp(Load(x + k, left) - max);
        Store(x + k, exponential, left);
        if (left >= kLanes) total += exponential;
      }
      float sum = Sum(total);
      for (int64_t k = words / kLanes * kLanes; k < words; k++) sum += x[k];
      losses[row] = std::log(sum) - wanted;
      const float share = scale / sum;
      for (int64_t k = 0; k < words; k += kLanes) {
        const int64_t left = words - k;
        const Lanes gradient = Load(x + k, left) * share;
        Store(x + k, gradient, left);
        Store(part + k, Load(part + k, left) + gradient, left);
      }
      x[targets[row]] -= scale;
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

}  // namespace ulmfit
