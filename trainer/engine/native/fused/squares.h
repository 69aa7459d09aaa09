// Matrices as a matrix unit reads them: bfloat16, padded with zeros to squares of kSide rows and columns, each of which lies in memory in one
// piece. Of a product a · b, a is a matrix of squares, row by row of them, and b is panels of kSide columns.
#ifndef ULMFIT_SQUARES_H_
#define ULMFIT_SQUARES_H_

#include "tiles.h"

#if defined(__AMX_BF16__)

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernel.h"
#include "threads.h"

namespace ulmfit {

using Unit = Multiplier<Bf16>;
constexpr int64_t kSide = Unit::kSide;
constexpr int64_t kSquare = Unit::kSquare;
static_assert(kSide == 2 * kLanes);

constexpr int64_t Padded(int64_t extent) { return (extent + kSide - 1) / kSide * kSide; }

// Where the square with that row and column begins; `columns` is a whole number of squares.
constexpr int64_t SquareAt(int64_t row, int64_t column, int64_t columns) { return row / kSide * kSide * columns + column / kSide * kSquare; }

// Where the panel with column `column` begins, of a matrix with so many rows: panel[row / 2][column][row % 2].
template <typename T>
T* PanelOf(T* panels, int64_t column, int64_t rows) {
  return panels + column / kSide * rows * kSide;
}

template <typename T>
struct Matrix {
  const T* numbers;
  int64_t rows, columns;

  int64_t paddedRows() const { return Padded(rows); }
  int64_t paddedColumns() const { return Padded(columns); }
  int64_t paddedSize() const { return paddedRows() * paddedColumns(); }
  // So many rows, or as many as there are.
  Matrix Rows(int64_t first, int64_t count) const { return {numbers + first * columns, std::min(count, rows - first), columns}; }
  // Up to kLanes numbers of a row; 0 beyond the last row or column.
  Lanes Part(int64_t row, int64_t column) const {
    if (row >= rows || column >= columns) return Lanes{};
    return Load(numbers + row * columns + column, columns - column);
  }
};

template <typename T>
Matrix<T> MatrixOf(const Input& input) {
  return {input.data<T>(), input.dim(0), input.dim(1)};
}

// Two rows of a panel from lanes of two rows of the matrix.
inline void PackPair(Bf16* panel, int64_t row, int64_t lane, Lanes first, Lanes second) {
  const Lanes values[] = {first, second};
  Element<Bf16>::Pack(panel + row * kSide + lane * 2, values);
}

// Each of these packs a range of rows, of whole squares.

template <typename T>
void PackSquares(const Matrix<T>& matrix, Range rows, Bf16* squares) {
  const int64_t columns = matrix.paddedColumns();
  for (int64_t row = rows.begin; row < rows.end; row++) {
    Bf16* const to = squares + SquareAt(row, 0, columns) + row % kSide * kSide;
    for (int64_t column = 0; column < columns; column += kLanes) Store(to + SquareAt(0, column, columns) + column % kSide, matrix.Part(row, column));
  }
}

template <typename T>
void PackPanels(const Matrix<T>& matrix, Range rows, Bf16* panels) {
  for (int64_t row = rows.begin; row < rows.end; row += 2) {
    for (int64_t column = 0; column < matrix.paddedColumns(); column += kLanes) {
      PackPair(PanelOf(panels, column, matrix.paddedRows()), row, column % kSide, matrix.Part(row, column), matrix.Part(row + 1, column));
    }
  }
}

// The squares of the transpose.
template <typename T>
void PackTransposedSquares(const Matrix<T>& matrix, Range rows, Bf16* squares) {
  const int64_t across = matrix.paddedRows();
  for (int64_t row = rows.begin; row < rows.end; row += 2) {
    for (int64_t column = 0; column < matrix.paddedColumns(); column += kLanes) {
      Bf16 pairs[2 * kLanes];
      PackPair(pairs, 0, 0, matrix.Part(row, column), matrix.Part(row + 1, column));
      Bf16* const to = squares + SquareAt(column, row, across) + column % kSide * kSide + row % kSide;
      for (int64_t lane = 0; lane < kLanes; lane++) std::memcpy(to + lane * kSide, pairs + 2 * lane, 2 * sizeof(Bf16));
    }
  }
}

// The panels of the transpose.
template <typename T>
void PackTransposedPanels(const Matrix<T>& matrix, Range rows, Bf16* panels) {
  for (int64_t row = rows.begin; row < rows.end; row++) {
    for (int64_t column = 0; column < matrix.paddedColumns(); column += kLanes) {
      Bf16 rounded[kLanes];
      Store(rounded, matrix.Part(row, column));
      Bf16* const to = PanelOf(panels, row, matrix.paddedColumns()) + column * kSide + row % kSide * 2;
      for (int64_t pair = 0; pair < kLanes; pair += 2) std::memcpy(to + pair * kSide, rounded + pair, 2 * sizeof(Bf16));
    }
  }
}

// A large product is made a block at a time, of so many rows and columns whose sums stay in the second cache, so much of its depth at once.
constexpr int64_t kBlockSide = 512;
constexpr int64_t kBlockDepth = 256;
constexpr int64_t kBlockSums = kBlockSide * kBlockSide;

// to = a · b, for a range of rows of whole squares; where `adds`, on top of what stands in `to`.
//
// a: squares; b: panels; sums: kBlockSums numbers to work with; to: [rows, columns], not padded
template <typename T>
void MultiplyPacked(Unit& unit, const Bf16* a, const Bf16* b, int64_t depth, Range range, float* sums, T* to, int64_t rows, int64_t columns,
                    bool adds = false) {
  const int64_t paddedColumns = Padded(columns);
  for (int64_t top = range.begin; top < range.end; top += kBlockSide) {
    const int64_t bottom = std::min(top + kBlockSide, range.end);
    for (int64_t left = 0; left < paddedColumns; left += kBlockSide) {
      const int64_t right = std::min(left + kBlockSide, paddedColumns);
      const auto sumsAt = [&](int64_t row, int64_t column) { return sums + SquareAt(row - top, column - left, kBlockSide); };
      for (int64_t k = 0; k == 0 || k < depth; k += kBlockDepth) {  // of no depth, zeros
        const int64_t count = std::min(kBlockDepth, depth - k) / kSide;
        for (int64_t column = left; column < right; column += kSide) {
          const Bf16* const panel = PanelOf(b, column, depth) + k * kSide;
          for (int64_t row = top; row < bottom; row += kSide) {
            unit.MultiplySquares(a + SquareAt(row, k, depth), panel, count, sumsAt(row, column), k > 0);
          }
        }
      }
      for (int64_t row = top; row < std::min(bottom, rows); row++) {
        for (int64_t column = left; column < std::min(right, columns); column += kLanes) {
          T* const at = to + row * columns + column;
          const Lanes made = Load(sumsAt(row, column) + row % kSide * kSide + column % kSide);
          Store(at, adds ? Load(at, columns - column) + made : made, columns - column);
        }
      }
    }
  }
}

// A thread's part of so many rows, in whole squares.
inline Range SquaresOf(int64_t rows, int thread) {
  const Range squares = PartOf(Padded(rows) / kSide, thread);
  return {squares.begin * kSide, squares.end * kSide};
}

}  // namespace ulmfit

#endif  // __AMX_BF16__

#endif  // ULMFIT_SQUARES_H_
