// One vector register of floats, in the vector extension that GCC and Clang share, and the functions of it that an LSTM and a
// softmax need. The same source becomes AVX-512, AVX or NEON code. In memory, numbers are floats, or bfloat16: the upper half of one.
#ifndef ULMFIT_LANES_H_
#define ULMFIT_LANES_H_

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ulmfit {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using Words = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));

inline Lanes Broadcast(float value) { return value - Lanes{}; }

inline Lanes Load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void Store(float* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof lanes); }

// The first `count` lanes; the others are 0.
inline Lanes Load(const float* from, int64_t count) {
  if (count >= kLanes) return Load(from);
  Lanes lanes = {};
  std::memcpy(&lanes, from, count * sizeof(float));
  return lanes;
}

inline void Store(float* to, Lanes lanes, int64_t count) {
  if (count >= kLanes) return Store(to, lanes);
  std::memcpy(to, &lanes, count * sizeof(float));
}

// The first `count` lanes of these, and `value` in the others.
inline Lanes Padded(Lanes lanes, int64_t count, float value) {
  for (int64_t i = count; i < kLanes; i++) lanes[i] = value;
  return lanes;
}

struct Bf16 {
  uint16_t bits;
};

using HalfWords = uint16_t __attribute__((vector_size(kLanes * sizeof(uint16_t))));

// A cast between vectors of one size keeps the bits.
inline Words Bits(Lanes lanes) { return (Words)lanes; }
inline Lanes FromBits(Words words) { return (Lanes)words; }

// The floats' bits, rounded to the nearest bfloat16 (ties to even) in the upper half; the lower half is of no meaning. A NaN stays one.
inline Words Rounded(Lanes lanes) {
  const Words bits = Bits(lanes);
  const Words rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return lanes == lanes ? rounded : bits | 0x400000;
}

inline Lanes Load(const Bf16* from) {
  HalfWords halves;
  std::memcpy(&halves, from, sizeof halves);
  return FromBits(__builtin_convertvector(halves, Words) << 16);
}

inline void Store(Bf16* to, Lanes lanes) {
#if defined(__AVX512BF16__)
  // A float too small for the exponent becomes 0 here; see threads.cc.
  const __m256bh halves = _mm512_cvtneps_pbh((__m512)lanes);
#else
  const HalfWords halves = __builtin_convertvector(Rounded(lanes) >> 16, HalfWords);
#endif
  std::memcpy(to, &halves, sizeof halves);
}

inline Lanes Load(const Bf16* from, int64_t count) {
  if (count >= kLanes) return Load(from);
  Bf16 halves[kLanes] = {};
  std::memcpy(halves, from, count * sizeof(Bf16));
  return Load(halves);
}

inline void Store(Bf16* to, Lanes lanes, int64_t count) {
  if (count >= kLanes) return Store(to, lanes);
  Bf16 halves[kLanes];
  Store(halves, lanes);
  std::memcpy(to, halves, count * sizeof(Bf16));
}

inline void Assign(float* to, float value) { *to = value; }

inline void Assign(Bf16* to, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  to->bits = static_cast<uint16_t>((value == value ? rounded : bits | 0x400000) >> 16);
}

// Calls `body` with the number of lanes that are left, as a compile-time constant where all are: loads and stores then have no branch.
template <typename Body>
inline void WithLanes(int64_t left, Body body) {
  if (left >= kLanes) return body(std::integral_constant<int64_t, kLanes>());
  body(left);
}

#if defined(__AVX512F__)
// The compiler makes two instructions of the comparisons below.
inline Lanes Max(Lanes a, Lanes b) { return (Lanes)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b); }
inline Lanes Min(Lanes a, Lanes b) { return (Lanes)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b); }
#else
inline Lanes Max(Lanes a, Lanes b) { return a > b ? a : b; }
inline Lanes Min(Lanes a, Lanes b) { return a < b ? a : b; }
#endif

inline float Sum(Lanes lanes) {
  float sum = 0;
  for (int i = 0; i < kLanes; i++) sum += lanes[i];
  return sum;
}

inline float Max(Lanes lanes) {
  float max = lanes[0];
  for (int i = 1; i < kLanes; i++) max = lanes[i] > max ? lanes[i] : max;
  return max;
}

// e to the x, relative error below 2e-7; what leaves float's range becomes about 1e-38 or 1e38. A NaN stays one: of two numbers that do not
// compare, Max and Min give the second.
// e^x = 2^n · e^r with n = round(x / ln 2), so that |r| <= ln 2 / 2, where a polynomial (interpolated at Chebyshev's nodes) will do.
inline Lanes Exp(Lanes x) {
  x = Min(Broadcast(88.0f), Max(Broadcast(-87.0f), x));
  // Adding 1.5 · 2^23 rounds to an integer, which then lies in the low bits.
  const Lanes shifted = x * 1.44269504f + 12582912.0f;
  const Lanes n = shifted - 12582912.0f;
  const Lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln 2 in two parts, the first of which is exact in few bits
  Lanes p = 0.0013926250394433737f * r + 0.00836323294788599f;
  p = p * r + 0.04166655242443085f;
  p = p * r + 0.16666576266288757f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  return FromBits(Bits(p) + (Bits(shifted) << 23));
}

// 2 to the x, relative error below 3e-7, for x of at most 126; below -126 as for it.
inline Lanes PowerOfTwo(Lanes x) {
  x = Max(Broadcast(-126.0f), x);
  const Lanes shifted = x + 12582912.0f;  // as in Exp
  const Lanes r = x - (shifted - 12582912.0f);
  Lanes p = 0.0013390863314270973f * r + 0.009676031768321991f;
  p = p * r + 0.055503569543361664f;
  p = p * r + 0.2402210682630539f;
  p = p * r + 0.6931471824645996f;
  p = p * r + 1.0f;
  return FromBits(Bits(p) + (Bits(shifted) << 23));
}

// 1 / x, relative error below 2e-7, for x of at least 1. AVX-512 divides 16 floats in 16 cycles; its estimate of 14 bits and one step of
// Newton's method take 4.
inline Lanes Reciprocal(Lanes x) {
#if defined(__AVX512F__)
  const Lanes estimate = (Lanes)_mm512_maskz_rcp14_ps(0xffff, (__m512)x);
  return estimate * (2.0f - x * estimate);
#else
  return 1.0f / x;
#endif
}

inline Lanes Sigmoid(Lanes x) { return Reciprocal(1.0f + Exp(-x)); }

// Relative error below 4e-7: near 0, where 1 - 2 / (e^2x + 1) would cancel, by an odd polynomial.
inline Lanes Tanh(Lanes x) {
  const Lanes far = 1.0f - 2.0f * Reciprocal(1.0f + Exp(2.0f * x));
  const Lanes z = x * x;
  Lanes p = -0.006096714176237583f * z + 0.020997179672122f;
  p = p * z - 0.05385090783238411f;
  p = p * z + 0.1333276927471161f;
  p = p * z - 0.333333283662796f;
  const Lanes near = p * z * x + x;
  return z < 0.390625f ? near : far;
}

}  // namespace ulmfit

#endif  // ULMFIT_LANES_H_
