// The same products by a processor's matrix unit (Intel's AMX), which multiplies tiles of 16 rows and 32 bfloat16 in an instruction.
#ifndef ULMFIT_TILES_H_
#define ULMFIT_TILES_H_

#if defined(__AMX_BF16__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdint>

#include "product.h"

namespace ulmfit {

// What a thread multiplies panels with. A product's rows do not depend on each other, nor on how they are cut into blocks.
template <typename T>
class Multiplier {
 public:
  static constexpr int64_t kMostRows = kRows;
  static int64_t MostRows() { return kMostRows; }

  // to[r · toStride + column] = Σ_k a[r · stride + k] · panel[k][column], for at most MostRows() rows.
  void Multiply(int64_t rows, const T* a, int64_t stride, const T* panel, int64_t depth, float* to, int64_t toStride) {
    MultiplyVectors(rows, a, stride, panel, depth, to, toStride);
  }
};

#if defined(__AMX_BF16__)

// The kernel keeps a matrix unit's registers only for a process that asks for them.
inline bool HasTiles() {
  static const bool has = [] {
    constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has;
}

template <>
class Multiplier<Bf16> {
  static constexpr int kTileRows = 16;
  static constexpr int kRowBytes = 64;
  static_assert(kPanelVectors == 2 && kLanes == 16, "a tile's columns are a vector's lanes");

 public:
  static constexpr int64_t kTileDepth = 32;
  static constexpr int64_t kMostRows = 2 * kTileRows;
  static constexpr int64_t kSide = 32;  // of a square: a product's rows, its depth and its columns at once
  static constexpr int64_t kSquare = kSide * kSide;
  static_assert(kMostRows == kSide && kPanelWidth == kSide && kTileDepth == kSide);
  static int64_t MostRows() { return HasTiles() ? kMostRows : kRows; }

  struct Nothing {
    void operator()(int64_t) const {}
  };

  Multiplier() = default;
  Multiplier(const Multiplier&) = delete;
  Multiplier& operator=(const Multiplier&) = delete;
  ~Multiplier() {
    if (configured_ != 0) _tile_release();
  }

  void Multiply(int64_t rows, const Bf16* a, int64_t stride, const Bf16* panel, int64_t depth, float* to, int64_t toStride) {
    if (!HasTiles()) return MultiplyVectors(rows, a, stride, panel, depth, to, toStride);
    const int64_t inTiles = depth / kTileDepth * kTileDepth;
    if (inTiles < depth) {
      for (int64_t first = 0; first < rows; first += kRows) {
        const int64_t count = std::min<int64_t>(kRows, rows - first);
        MultiplyVectors(count, a + first * stride + inTiles, stride, panel + inTiles * kPanelWidth, depth - inTiles, to + first * toStride, toStride);
      }
    }
    Configure(rows);
    if (rows > kTileRows) {
      MultiplyTiles<true>(a, stride, kTileDepth, panel, inTiles, inTiles < depth, to, toStride, Nothing());
    } else {
      MultiplyTiles<false>(a, stride, kTileDepth, panel, inTiles, inTiles < depth, to, toStride, Nothing());
    }
  }

  // The same of squares, which lie one after another: to[r][column] = Σ_s Σ_k a[s][r][k] · panel[s * kSide + k][column]; where `adds`, on top of
  // what stands in `to`. After square s it calls `meanwhile(s)`, whose vectors are worked on while the unit multiplies.
  template <typename Meanwhile = Nothing>
  void MultiplySquares(const Bf16* a, const Bf16* panel, int64_t count, float* to, bool adds, Meanwhile meanwhile = {}) {
    Configure(kMostRows);
    MultiplyTiles<true>(a, kSide, kSquare, panel, count * kSide, adds, to, kSide, meanwhile);
  }

 private:
  // Tiles 0 to 3 hold sums, two of columns for each of two blocks of rows; 4 and 5 rows of a; 6 and 7 columns of the panel.
  void Configure(int64_t rows) {
    if (rows == configured_) return;
    configured_ = rows;
    struct alignas(64) {
      uint8_t palette = 1;
      uint8_t startRow = 0;
      uint8_t reserved[14] = {};
      uint16_t rowBytes[16] = {};
      uint8_t rows[16] = {};
    } tiles;
    const auto set = [&](int tile, int64_t count) {
      if (count == 0) return;
      tiles.rowBytes[tile] = kRowBytes;
      tiles.rows[tile] = static_cast<uint8_t>(count);
    };
    const int64_t upper = std::min<int64_t>(rows, kTileRows);
    for (const int tile : {0, 1, 4}) set(tile, upper);
    for (const int tile : {2, 3, 5}) set(tile, rows - upper);
    for (const int tile : {6, 7}) set(tile, kTileDepth / Element<Bf16>::kDepth);
    _tile_loadconfig(&tiles);
  }

  // Rows of a are `stride` apart, and what follows in depth is `step` further.
  template <bool kTwoBlocks, typename Meanwhile>
  static void MultiplyTiles(const Bf16* a, int64_t stride, int64_t step, const Bf16* panel, int64_t depth, bool begun, float* to, int64_t toStride,
                            Meanwhile meanwhile) {
    constexpr int64_t kPanelBytes = kPanelVectors * kRowBytes;
    const int64_t aBytes = stride * sizeof(Bf16), toBytes = toStride * sizeof(float);
    float* const lower = to + kTileRows * toStride;
    if (begun) {
      _tile_loadd(0, to, toBytes);
      _tile_loadd(1, to + kLanes, toBytes);
    } else {
      _tile_zero(0);
      _tile_zero(1);
    }
    if constexpr (kTwoBlocks) {
      if (begun) {
        _tile_loadd(2, lower, toBytes);
        _tile_loadd(3, lower + kLanes, toBytes);
      } else {
        _tile_zero(2);
        _tile_zero(3);
      }
    }
    for (int64_t k = 0; k < depth; k += kTileDepth, a += step) {
      _tile_loadd(6, panel + k * kPanelWidth, kPanelBytes);
      _tile_loadd(4, a, aBytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, panel + k * kPanelWidth + kPanelWidth, kPanelBytes);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (kTwoBlocks) {
        _tile_loadd(5, a + kTileRows * stride, aBytes);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      meanwhile(k / kTileDepth);
    }
    _tile_stored(0, to, toBytes);
    _tile_stored(1, to + kLanes, toBytes);
    if constexpr (kTwoBlocks) {
      _tile_stored(2, lower, toBytes);
      _tile_stored(3, lower + kLanes, toBytes);
    }
  }

  int64_t configured_ = 0;
};

#endif  // __AMX_BF16__

}  // namespace ulmfit

#endif  // ULMFIT_TILES_H_
