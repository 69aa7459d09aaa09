// A matrix product for the recurrence of an LSTM: few rows against weights that stay the same for a whole chunk of text. The
// weights are packed once into panels as wide as the registers hold sums for, and a panel streams through all rows of the batch.
#ifndef ULMFIT_PRODUCT_H_
#define ULMFIT_PRODUCT_H_

#include <cstdint>
#include <utility>

#include "lanes.h"
#include "threads.h"

namespace ulmfit {

// Vectors of columns in a panel. Two with many rows, rather than four with few, because a panel comes from the second cache or beyond,
// and the rows from the first.
constexpr int kPanelVectors = 2;
constexpr int kPanelWidth = kPanelVectors * kLanes;

// Rows whose sums fit into the registers beside one row of the panel and one value: 14 · 2 + 3 of 32, or 6 · 2 + 3 of AVX's 16.
#if defined(__AVX__) && !defined(__AVX512F__)
constexpr int kRows = 6;
#else
constexpr int kRows = 14;
#endif

// How many rows of a panel are asked for ahead of their use.
constexpr int kAhead = 32;

template <int kCount>
inline void MultiplyRows(const float* a, int64_t stride, const float* panel, int64_t depth, float* to, int64_t toStride) {
  Lanes sums[kCount][kPanelVectors] = {};
  for (int64_t k = 0; k < depth; k++, panel += kPanelWidth) {
    Lanes columns[kPanelVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; v++) {
      columns[v] = Load(panel + v * kLanes);
      __builtin_prefetch(panel + kAhead * kPanelWidth + v * kLanes);
    }
#pragma GCC unroll 14
    for (int r = 0; r < kCount; r++) {
      const Lanes value = Broadcast(a[r * stride + k]);
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVectors; v++) sums[r][v] += value * columns[v];
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < kCount; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; v++) Store(to + r * toStride + v * kLanes, sums[r][v]);
  }
}

// to[r · toStride + column] = Σ_k a[r · stride + k] · panel[k][column], for at most kRows rows. Their number becomes a compile-time constant,
// so that the sums are registers.
template <int kCount = kRows>
inline void Multiply(int64_t rows, const float* a, int64_t stride, const float* panel, int64_t depth, float* to, int64_t toStride) {
  if (rows == kCount) return MultiplyRows<kCount>(a, stride, panel, depth, to, toStride);
  if constexpr (kCount > 1) Multiply<kCount - 1>(rows, a, stride, panel, depth, to, toStride);
}

// Cuts a batch into blocks of at most kRows rows, as equal as can be.
struct RowBlocks {
  int64_t rows;
  int64_t count;
  explicit RowBlocks(int64_t rows) : rows(rows), count((rows + kRows - 1) / kRows) {}
  int64_t Begin(int64_t block) const { return rows * block / count; }
};

// The order in which a thread goes through its share of a step's work: there and, at the next step, back, so that it begins with the
// panels that are still in its cache.
class ThereAndBack {
 public:
  ThereAndBack(Range range, int64_t step) : first_(step % 2 == 0 ? range.begin : range.end - 1), stride_(step % 2 == 0 ? 1 : -1) {}
  int64_t operator[](int64_t index) const { return first_ + stride_ * index; }

 private:
  int64_t first_;
  int64_t stride_;
};

}  // namespace ulmfit

#endif  // ULMFIT_PRODUCT_H_
