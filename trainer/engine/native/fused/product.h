// A matrix product for the recurrence of an LSTM: few rows against weights that stay the same for a whole chunk of text. The
// weights are packed once into panels as wide as the registers hold sums for, and a panel streams through all rows of the batch.
#ifndef ULMFIT_PRODUCT_H_
#define ULMFIT_PRODUCT_H_

#include <cstdint>
#include <cstring>
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

// What a multiplication takes in at a time: a float of each column, or two bfloat16, one below the other, in the lanes of a word. The
// products of bfloat16 are added up in floats.
template <typename T>
struct Element;
template <>
struct Element<float> {
  static constexpr int kDepth = 1;
  using Vector = Lanes;
  static Vector Spread(const float* from) { return Broadcast(*from); }
  static Lanes Add(Lanes sum, Vector value, Vector columns) { return sum + value * columns; }
  static void Pack(float* to, const Lanes* values) { Store(to, values[0]); }
};
template <>
struct Element<Bf16> {
  static constexpr int kDepth = 2;
  using Vector = Words;
  static Vector Spread(const Bf16* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return pair - Words{};
  }
  static Lanes Add(Lanes sum, Vector value, Vector columns) {
#if defined(__AVX512BF16__)
    return (Lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)value, (__m512bh)columns);
#else
    sum += FromBits(value << 16) * FromBits(columns << 16);
    return sum + FromBits(value & kUpperHalf) * FromBits(columns & kUpperHalf);
#endif
  }
  static void Pack(Bf16* to, const Lanes* values) {
#if defined(__AVX512BF16__)
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)values[1], (__m512)values[0]);
    const __m512i pairs = _mm512_permutexvar_epi16(_mm512_load_si512(kInTurns), halves);
#else
    const Words pairs = ((Rounded(values[0]) >> 16) & 0xffff) | (Rounded(values[1]) & kUpperHalf);
#endif
    std::memcpy(to, &pairs, sizeof pairs);
  }

 private:
  static constexpr int32_t kUpperHalf = -0x10000;
  // The lanes of two halves in turns.
  alignas(64) static constexpr uint16_t kInTurns[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
};

// The depth of a panel: that of the product, filled up with zeros.
template <typename T>
constexpr int64_t PaddedDepth(int64_t depth) {
  return (depth + Element<T>::kDepth - 1) / Element<T>::kDepth * Element<T>::kDepth;
}

template <int kCount, typename T>
inline void MultiplyRows(const T* a, int64_t stride, const T* panel, int64_t depth, float* to, int64_t toStride) {
  using Vector = typename Element<T>::Vector;
  constexpr int kDepth = Element<T>::kDepth;
  Lanes sums[kCount][kPanelVectors] = {};
  for (int64_t k = 0; k < depth; k += kDepth, panel += kDepth * kPanelWidth) {
    Vector columns[kPanelVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; v++) {
      std::memcpy(&columns[v], panel + v * kDepth * kLanes, sizeof columns[v]);
      __builtin_prefetch(panel + kAhead * kDepth * kPanelWidth + v * kDepth * kLanes);
    }
#pragma GCC unroll 14
    for (int r = 0; r < kCount; r++) {
      const Vector value = Element<T>::Spread(a + r * stride + k);
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVectors; v++) sums[r][v] = Element<T>::Add(sums[r][v], value, columns[v]);
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < kCount; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; v++) Store(to + r * toStride + v * kLanes, sums[r][v]);
  }
}

// to[r · toStride + column] = Σ_k a[r · stride + k] · panel[k][column], for at most kRows rows, with k up to a padded depth. The rows' number
// becomes a compile-time constant, so that the sums are registers.
template <int kCount = kRows, typename T>
inline void MultiplyVectors(int64_t rows, const T* a, int64_t stride, const T* panel, int64_t depth, float* to, int64_t toStride) {
  if (rows == kCount) return MultiplyRows<kCount>(a, stride, panel, depth, to, toStride);
  if constexpr (kCount > 1) MultiplyVectors<kCount - 1>(rows, a, stride, panel, depth, to, toStride);
}

// Cuts a batch into blocks of at most `most` rows, as equal as can be.
struct RowBlocks {
  int64_t rows;
  int64_t count;
  RowBlocks(int64_t rows, int64_t most) : rows(rows), count((rows + most - 1) / most) {}
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
