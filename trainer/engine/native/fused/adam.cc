// Adam with decoupled weight decay, and the sum of squares that clipping needs: each in one pass over its tensors.
#include <cmath>

#include "kernel.h"
#include "lanes.h"
#include "threads.h"

namespace ulmfit {

// Inputs: parameter, first and second moment, all overwritten, and gradient, of one shape; gradientScale, a scalar; and
// settings [8] = beta1, 1 - beta1, beta2, 1 - beta2, 1 / (1 - beta2^t), epsilon, rate / (1 - beta1^t), 1 - rate · weight decay: as the
// host's doubles give them, because 1 - 0.999 has lost four digits in float.
// Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2. Output: an empty tensor.
void Adam(Context& context) {
  const Input gradientInput = context.anyInput(3);
  const Shape shape = gradientInput.shape();
  const Input parameterInput = context.input(0, "parameter", shape);
  const Input firstInput = context.input(1, "first", shape);
  const Input secondInput = context.input(2, "second", shape);
  const Input scaleInput = context.input(4, "gradientScale", {});
  const Input settingsInput = context.input(5, "settings", {8});
  context.output(0, {0});
  float* const parameter = parameterInput.overwritten();
  float* const first = firstInput.overwritten();
  float* const second = secondInput.overwritten();
  const float* const gradient = gradientInput.data<float>();
  const float scale = *scaleInput.data<float>();
  const float* const settings = settingsInput.data<float>();
  const float beta1 = settings[0], newFirst = settings[1], beta2 = settings[2], newSecond = settings[3];
  const float correction = settings[4], epsilon = settings[5], stepSize = settings[6], kept = settings[7];
  InParallel(gradientInput.size(), [=](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const float g = gradient[k] * scale;
      const float m = beta1 * first[k] + newFirst * g;
      const float v = beta2 * second[k] + newSecond * (g * g);
      first[k] = m;
      second[k] = v;
      parameter[k] = parameter[k] * kept - stepSize * m / (std::sqrt(v * correction) + epsilon);
    }
  });
}

// Input: a tensor of any shape. Output: the sum of its squares, a scalar.
void SumOfSquares(Context& context) {
  const Input input = context.anyInput(0);
  float* const output = context.output(0, {});
  const float* const x = input.data<float>();
  // Blocks of a fixed size are summed apart, in lanes, and then together in double precision: accurate, and the same on any
  // number of threads.
  constexpr int64_t kBlock = 4096;
  const int64_t size = input.size();
  const int64_t blocks = (size + kBlock - 1) / kBlock;
  std::vector<float> sums(blocks);
  InParallel(blocks, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const int64_t last = block * kBlock + kBlock < size ? block * kBlock + kBlock : size;
      Lanes sum = {};
      for (int64_t k = block * kBlock; k < last; k += kLanes) {
        const Lanes values = Load(x + k, last - k);
        sum += values * values;
      }
      sums[block] = Sum(sum);
    }
  });
  double total = 0;
  for (const float sum : sums) total += sum;
  *output = static_cast<float>(total);
}

}  // namespace ulmfit
