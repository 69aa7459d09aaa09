// What happens to packed tokens besides the recurrence: locked dropout, and the pooling of a document's outputs.
#include <algorithm>

#include "kernel.h"
#include "lanes.h"
#include "packing.h"
#include "threads.h"

namespace ulmfit {

// Inputs: x [tokens, width]; mask [batch, width]; rows [time], int32. Output: each token of x times the mask of its row. It is its own
// gradient: a mask is a constant.
void MaskRows(Context& context) {
  const Input xInput = context.input(0, "x", {-1, -1});
  const int64_t tokens = xInput.dim(0);
  const int64_t width = xInput.dim(1);
  const Input maskInput = context.input(1, "mask", {-1, width});
  const Input rowsInput = context.input(2, "rows", {-1});
  const Packing packing(rowsInput, tokens);
  packing.CheckBatch(maskInput.dim(0));
  const float* const x = xInput.data<float>();
  const float* const mask = maskInput.data<float>();
  float* const masked = context.output(0, {tokens, width});
  InParallel(packing.time(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t at = packing.start(t) * width;
      for (int64_t k = 0; k < packing.rows(t) * width; k++) masked[at + k] = x[at + k] * mask[k];
    }
  });
}

// Concat pooling (Howard & Ruder 2018, section 3.3) of documents that were partly read before. Inputs: outputs [tokens, width];
// pooled [3, batch, width]: last output, maximum and sum so far; rows [time], int32. Outputs: pooled anew; and places [batch, width],
// int32: the step at which the maximum was found, the first where there are several, -1 where it was there before.
void Pool(Context& context) {
  const Input outputsInput = context.input(0, "outputs", {-1, -1});
  const int64_t tokens = outputsInput.dim(0);
  const int64_t width = outputsInput.dim(1);
  const Input pooledInput = context.input(1, "pooled", {3, -1, width});
  const int64_t batch = pooledInput.dim(1);
  const Input rowsInput = context.input(2, "rows", {-1});
  const Packing packing(rowsInput, tokens);
  packing.CheckBatch(batch);
  const float* const outputs = outputsInput.data<float>();
  float* const last = context.output(0, {3, batch, width});
  float* const maximum = last + batch * width;
  float* const sum = maximum + batch * width;
  int32_t* const places = context.output<int32_t>(1, {batch, width});
  std::copy_n(pooledInput.data<float>(), 3 * batch * width, last);
  std::fill_n(places, batch * width, -1);
  InParallel(batch, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < packing.time(); t++) {
      for (int64_t row = begin; row < std::min(end, packing.rows(t)); row++) {
        const float* const output = outputs + (packing.start(t) + row) * width;
        for (int64_t k = 0; k < width; k++) {
          const int64_t at = row * width + k;
          last[at] = output[k];
          sum[at] += output[k];
          places[at] = output[k] > maximum[at] ? static_cast<int32_t>(t) : places[at];
          maximum[at] = output[k] > maximum[at] ? output[k] : maximum[at];
        }
      }
    }
  });
}

// The gradient of Pool in its outputs. Inputs: gradient [3, batch, width]; places as Pool gave them; rows [time], int32; tokens, the
// sum of rows, int32. Output: [tokens, width].
void PoolGradient(Context& context) {
  const Input gradientInput = context.input(0, "gradient", {3, -1, -1});
  const int64_t batch = gradientInput.dim(1);
  const int64_t width = gradientInput.dim(2);
  const Input placesInput = context.input(1, "places", {batch, width});
  const Input rowsInput = context.input(2, "rows", {-1});
  const Input tokensInput = context.input(3, "tokens", {});
  const int64_t tokens = *tokensInput.data<int32_t>();
  const Packing packing(rowsInput, tokens);
  packing.CheckBatch(batch);
  const float* const last = gradientInput.data<float>();
  const float* const maximum = last + batch * width;
  const float* const sum = maximum + batch * width;
  const int32_t* const places = placesInput.data<int32_t>();
  float* const gradient = context.output(0, {tokens, width});
  InParallel(packing.time(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      for (int64_t row = 0; row < packing.rows(t); row++) {
        const float ends = row >= packing.rows(t + 1) ? 1 : 0;
        float* const to = gradient + (packing.start(t) + row) * width;
        for (int64_t k = 0; k < width; k++) {
          const int64_t at = row * width + k;
          to[k] = sum[at] + ends * last[at] + (places[at] == t ? maximum[at] : 0);
        }
      }
    }
  });
}

}  // namespace ulmfit
