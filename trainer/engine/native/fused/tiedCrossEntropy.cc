// Cross-entropy of a decoder that is tied to the embedding, value and gradients, where there is a matrix unit. Logits are made twice, a block
// at a time that fits into the second cache, and never written to memory, which would take longer than to make them.
#include "tiles.h"

#if defined(__AMX_BF16__)

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernel.h"
#include "scratch.h"
#include "threads.h"

namespace ulmfit {
namespace {

using Unit = Multiplier<Bf16>;

// Words, rows and the embedding's width are padded to a multiple of this, a product's rows, its columns and its depth at once.
constexpr int64_t kSide = 32;
static_assert(Unit::kMostRows == kSide && kPanelWidth == kSide && Unit::kTileDepth == kSide, "a product is a square");

// A block of logits is so many words by so many rows. A block's part of the embedding and of its gradient lie in the second cache meanwhile.
constexpr int64_t kBlockWords = 512;
constexpr int64_t kBlockRows = 128;

// As good as minus infinity, with no infinity to come of it.
constexpr float kNever = -3.0e38f;

constexpr int64_t Padded(int64_t extent) { return (extent + kSide - 1) / kSide * kSide; }

struct Problem {
  int64_t rows, words, width;
  const float* hidden;
  const float* embedding;
  const float* bias;
  const int32_t* targets;
  float scale;

  int64_t paddedRows() const { return Padded(rows); }
  int64_t paddedWidth() const { return Padded(width); }
  int64_t units() const { return Padded(words) / kSide; }  // of words
};

// Where column `column` begins in panels of a matrix with so many rows: panel[k / 2][column][k % 2].
template <typename T>
T* PanelOf(T* panels, int64_t column, int64_t depth) {
  return panels + column / kSide * depth * kSide;
}

// Up to kLanes numbers of a row of `matrix`; 0 beyond its last row or column.
Lanes LoadPart(const float* matrix, int64_t rows, int64_t columns, int64_t row, int64_t column) {
  if (row >= rows || column >= columns) return Lanes{};
  return Load(matrix + row * columns + column, columns - column);
}

// Two rows of a panel from lanes of two rows of the matrix.
void PackPair(Bf16* panel, int64_t k, int64_t lane, Lanes first, Lanes second) {
  const Lanes values[] = {first, second};
  Element<Bf16>::Pack(panel + k * kSide + lane * 2, values);
}

// The hidden vectors, packed for two products: as columns, to be multiplied by words, and as rows, to be multiplied by gradients.
void PackHidden(const Problem& problem, Range rows, Bf16* asColumns, Bf16* asRows) {
  const int64_t width = problem.paddedWidth();
  for (int64_t row = rows.begin; row < rows.end; row += 2) {
    for (int64_t k = 0; k < width; k += kLanes) {
      Lanes values[2];
      for (int64_t next = 0; next < 2; next++) {
        values[next] = LoadPart(problem.hidden, problem.rows, problem.width, row + next, k);
        Bf16 rounded[kLanes];
        Store(rounded, values[next]);
        Bf16* const column = PanelOf(asColumns, row + next, width) + k * kSide + (row + next) % kSide * 2;
        for (int64_t pair = 0; pair < kLanes; pair += 2) std::memcpy(column + pair * kSide, rounded + pair, 2 * sizeof(Bf16));
      }
      PackPair(PanelOf(asRows, k, problem.paddedRows()), row, k % kSide, values[0], values[1]);
    }
  }
}

// What one thread works with.
struct Workspace {
  Bf16* words;       // [kBlockWords, width], of the embedding
  Bf16* transposed;  // [width, kBlockWords]
  float* bias;       // [kBlockWords]
  float* wordSums;   // [kBlockWords, width], the embedding's gradient
  float* biasSums;   // [kBlockWords, kLanes]
  Bf16* gradients;   // [kBlockWords, kBlockRows], of the logits
  Bf16* panels;      // the same, packed: [kBlockRows / kSide] panels of depth kBlockWords
  float* highest;    // [rows], the greatest logit of this thread's words
  float* total;      // [rows], Σ exp(logit - highest)
  float* rowSums;    // [width, rows], what this thread's words add to the hidden vectors' gradient, transposed

  // The numbers that one thread needs; a Bf16 counts as half a float.
  static int64_t Size(const Problem& problem) {
    const int64_t width = problem.paddedWidth();
    return kBlockWords * (2 * width + 1 + kLanes + kBlockRows) + problem.paddedRows() * (2 + width);
  }

  Workspace(const Problem& problem, float* memory) {
    const int64_t width = problem.paddedWidth(), rows = problem.paddedRows();
    const auto take = [&](int64_t count) { return std::exchange(memory, memory + count); };
    const auto takeHalf = [&](int64_t count) { return reinterpret_cast<Bf16*>(take(count / 2)); };
    words = takeHalf(kBlockWords * width);
    transposed = takeHalf(kBlockWords * width);
    gradients = takeHalf(kBlockWords * kBlockRows);
    panels = takeHalf(kBlockWords * kBlockRows);
    wordSums = take(kBlockWords * width);
    biasSums = take(kBlockWords * kLanes);
    bias = take(kBlockWords);
    highest = take(rows);
    total = take(rows);
    rowSums = take(rows * width);
  }

  void TakeWords(const Problem& problem, int64_t firstWord, int64_t count) const {
    const int64_t width = problem.paddedWidth();
    for (int64_t word = 0; word < count; word++) {
      bias[word] = firstWord + word < problem.words ? problem.bias[firstWord + word] : kNever;
      for (int64_t k = 0; k < width; k += kLanes) {
        Store(words + word * width + k, LoadPart(problem.embedding, problem.words, problem.width, firstWord + word, k));
      }
    }
  }

  void TransposeWords(const Problem& problem, int64_t count) const {
    const int64_t width = problem.paddedWidth();
    for (int64_t word = 0; word < count; word++) {
      for (int64_t k = 0; k < width; k++) transposed[k * kBlockWords + word] = words[word * width + k];
    }
  }
};

// Logits of kSide words and rows without their bias, transposed: to[word][row].
void MultiplySquare(Unit& unit, const Problem& problem, const Workspace& own, int64_t word, const Bf16* hidden, float* to) {
  const int64_t width = problem.paddedWidth();
  unit.MultiplyBlock(own.words + word * width, width, hidden, width, to, kSide, false);
}

// Calls `body(row, word)` for each of the square's rows whose target is one of its words, both counted within the square.
template <typename Body>
void ForTargets(const Problem& problem, int64_t firstRow, int64_t firstWord, Body body) {
  const int64_t count = std::min(kSide, problem.rows - firstRow);
  for (int64_t row = 0; row < count; row++) {
    const int64_t word = problem.targets[firstRow + row] - firstWord;
    if (word >= 0 && word < kSide) body(row, word);
  }
}

// Goes over the logits of a thread's words: the greatest, the sum of exponentials, and the targets' own.
void SumExponentials(Unit& unit, const Problem& problem, Range units, const Bf16* hidden, const Workspace& own, float* wanted) {
  const int64_t rows = problem.paddedRows();
  std::fill_n(own.highest, rows, kNever);
  std::fill_n(own.total, rows, 0.0f);
  for (int64_t first = units.begin * kSide; first < units.end * kSide; first += kBlockWords) {
    const int64_t words = std::min(kBlockWords, units.end * kSide - first);
    own.TakeWords(problem, first, words);
    for (int64_t row = 0; row < rows; row += kSide) {
      for (int64_t word = 0; word < words; word += kSide) {
        alignas(64) float square[kSide * kSide];
        MultiplySquare(unit, problem, own, word, PanelOf(hidden, row, problem.paddedWidth()), square);
        for (int64_t lane = 0; lane < kSide; lane += kLanes) {
          const Lanes before = Load(own.highest + row + lane);
          Lanes highest = before;
          for (int64_t w = 0; w < kSide; w++) {
            float* const logits = square + w * kSide + lane;
            const Lanes biased = Load(logits) + own.bias[word + w];
            Store(logits, biased);
            highest = Max(highest, biased);
          }
          Lanes total = Load(own.total + row + lane) * Exp(before - highest);
          for (int64_t w = 0; w < kSide; w++) total += Exp(Load(square + w * kSide + lane) - highest);
          Store(own.highest + row + lane, highest);
          Store(own.total + row + lane, total);
        }
        ForTargets(problem, row, first + word, [&](int64_t r, int64_t w) { wanted[row + r] = square[w * kSide + r]; });
      }
    }
  }
}

// Turns a square of logits into their gradient, softmax less one-hot, and keeps it for the two products that take it.
void KeepGradients(const Problem& problem, const Workspace& own, int64_t firstWord, int64_t word, int64_t row, int64_t inBlock,
                   const float* normalizers, float* square) {
  for (int64_t lane = 0; lane < kSide; lane += kLanes) {
    const Lanes normalizer = Load(normalizers + row + lane);
    for (int64_t w = 0; w < kSide; w++) {
      float* const at = square + w * kSide + lane;
      Store(at, Exp(Load(at) + own.bias[word + w] - normalizer) * problem.scale);
    }
  }
  ForTargets(problem, row, firstWord + word, [&](int64_t r, int64_t w) { square[w * kSide + r] -= problem.scale; });
  for (int64_t lane = 0; lane < kSide; lane += kLanes) {
    Bf16* const panel = PanelOf(own.panels, inBlock, kBlockWords);
    for (int64_t w = 0; w < kSide; w += 2) {
      Lanes values[2];
      for (int64_t next = 0; next < 2; next++) {
        values[next] = Load(square + (w + next) * kSide + lane);
        float* const sum = own.biasSums + (word + w + next) * kLanes;
        Store(sum, Load(sum) + values[next]);
        Store(own.gradients + (word + w + next) * kBlockRows + inBlock + lane, values[next]);
      }
      PackPair(panel, word + w, lane, values[0], values[1]);
    }
  }
}

// Goes over the logits of a thread's words again, for the gradients.
void AddGradients(Unit& unit, const Problem& problem, Range units, const Bf16* hidden, const Bf16* hiddenRows, const float* normalizers,
                  const Workspace& own, float* embeddingGradient, float* biasGradient) {
  const int64_t width = problem.paddedWidth(), rows = problem.paddedRows();
  std::fill_n(own.rowSums, rows * width, 0.0f);
  for (int64_t first = units.begin * kSide; first < units.end * kSide; first += kBlockWords) {
    const int64_t words = std::min(kBlockWords, units.end * kSide - first);
    own.TakeWords(problem, first, words);
    own.TransposeWords(problem, words);
    std::fill_n(own.wordSums, words * width, 0.0f);
    std::fill_n(own.biasSums, words * kLanes, 0.0f);
    for (int64_t block = 0; block < rows; block += kBlockRows) {
      const int64_t count = std::min(kBlockRows, rows - block);
      for (int64_t row = 0; row < count; row += kSide) {
        for (int64_t word = 0; word < words; word += kSide) {
          alignas(64) float square[kSide * kSide];
          MultiplySquare(unit, problem, own, word, PanelOf(hidden, block + row, width), square);
          KeepGradients(problem, own, first, word, block + row, row, normalizers, square);
        }
      }
      for (int64_t k = 0; k < width; k += kSide) {
        const Bf16* const panel = PanelOf(hiddenRows, k, rows) + block * kSide;
        for (int64_t word = 0; word < words; word += kSide) {
          unit.MultiplyBlock(own.gradients + word * kBlockRows, kBlockRows, panel, count, own.wordSums + word * width + k, width, true);
        }
        for (int64_t row = 0; row < count; row += kSide) {
          float* const sums = own.rowSums + k * rows + block + row;
          unit.MultiplyBlock(own.transposed + k * kBlockWords, kBlockWords, PanelOf(own.panels, row, kBlockWords), words, sums, rows, true);
        }
      }
    }
    for (int64_t word = 0; word < std::min(words, problem.words - first); word++) {
      std::copy_n(own.wordSums + word * width, problem.width, embeddingGradient + (first + word) * problem.width);
      biasGradient[first + word] = Sum(Load(own.biasSums + word * kLanes));
    }
  }
}

}  // namespace

// Inputs: hidden [rows, width]; embedding [words, width]; bias [words]; targets [rows], int32; scale, a scalar. Outputs: losses [rows], nats; and
// of `scale · Σ losses` the gradients in hidden, embedding and bias. Products take bfloat16 and add up floats.
void TiedCrossEntropy(Context& context) {
  const Input hiddenInput = context.input(0, "hidden", {-1, -1});
  const Input embeddingInput = context.input(1, "embedding", {-1, hiddenInput.dim(1)});
  const Input biasInput = context.input(2, "bias", {embeddingInput.dim(0)});
  const Input targetsInput = context.input(3, "targets", {hiddenInput.dim(0)});
  const Input scaleInput = context.input(4, "scale", {});
  const Problem problem = {hiddenInput.dim(0), embeddingInput.dim(0), hiddenInput.dim(1), hiddenInput.data<float>(), embeddingInput.data<float>(),
                           biasInput.data<float>(), targetsInput.data<int32_t>(), *scaleInput.data<float>()};
  for (int64_t row = 0; row < problem.rows; row++) {
    if (problem.targets[row] < 0 || problem.targets[row] >= problem.words) throw std::invalid_argument("a target is not one of the words");
  }
  float* const losses = context.output(0, {problem.rows});
  float* const hiddenGradient = context.output(1, {problem.rows, problem.width});
  float* const embeddingGradient = context.output(2, {problem.words, problem.width});
  float* const biasGradient = context.output(3, {problem.words});

  const int64_t rows = problem.paddedRows(), width = problem.paddedWidth();
  static thread_local Scratch panelScratch, ownScratch, rowScratch;
  Bf16* const asColumns = panelScratch.Get<Bf16>(2 * rows * width);
  Bf16* const asRows = asColumns + rows * width;
  const int64_t size = Workspace::Size(problem);
  float* const memory = ownScratch.Get(ThreadCount() * size);
  float* const normalizers = rowScratch.Get(2 * rows);
  float* const wanted = normalizers + rows;
  const auto workspaceOf = [&](int thread) { return Workspace(problem, memory + thread * size); };
  Barrier barrier;
  OnAllThreads([&](int thread) {
    Unit unit;
    const Workspace own = workspaceOf(thread);
    const Range words = PartOf(problem.units(), thread);
    const Range squares = PartOf(rows / kSide, thread);
    const Range rowsOf = {squares.begin * kSide, squares.end * kSide};
    PackHidden(problem, rowsOf, asColumns, asRows);
    barrier.Wait();
    SumExponentials(unit, problem, words, asColumns, own, wanted);
    barrier.Wait();
    for (int64_t row = rowsOf.begin; row < rowsOf.end; row++) {
      if (row >= problem.rows) {
        normalizers[row] = -kNever;  // The gradients of what is no row are 0.
        continue;
      }
      float highest = kNever, total = 0;
      for (int other = 0; other < ThreadCount(); other++) highest = std::max(highest, workspaceOf(other).highest[row]);
      for (int other = 0; other < ThreadCount(); other++) {
        const Workspace part = workspaceOf(other);
        total += part.total[row] * std::exp(part.highest[row] - highest);
      }
      normalizers[row] = highest + std::log(total);
      losses[row] = highest - wanted[row] + std::log(total);
    }
    barrier.Wait();
    AddGradients(unit, problem, words, asColumns, asRows, normalizers, own, embeddingGradient, biasGradient);
    barrier.Wait();
    for (int64_t row = rowsOf.begin; row < std::min(rowsOf.end, problem.rows); row++) {
      for (int64_t k = 0; k < problem.width; k++) {
        float sum = 0;
        for (int other = 0; other < ThreadCount(); other++) sum += workspaceOf(other).rowSums[k * rows + row];
        hiddenGradient[row * problem.width + k] = sum;
      }
    }
  });
}

}  // namespace ulmfit

#endif  // __AMX_BF16__
