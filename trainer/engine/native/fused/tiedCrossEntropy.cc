// Cross-entropy of a decoder that is tied to the embedding, value and gradients, where there is a matrix unit. Logits are made twice, a block
// at a time that fits into the second cache, and never written to memory, which would take longer than to make them.
#include "squares.h"

#if defined(__AMX_BF16__)

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernel.h"
#include "scratch.h"
#include "threads.h"

namespace ulmfit {
namespace {

// A block of logits is so many words by so many rows. A block's part of the embedding and of its gradient lie in the second cache meanwhile.
constexpr int64_t kBlockWords = 256;
constexpr int64_t kBlockRows = 256;

// Logits are compared and added up as powers of two: times this.
constexpr float kLog2E = 1.44269504f;

// As good as minus infinity, with no infinity to come of it.
constexpr float kNever = -3.0e38f;

struct Problem {
  Matrix<float> hidden, embedding;
  const float* bias;
  const int32_t* targets;
  float scale;

  int64_t rows() const { return hidden.rows; }
  int64_t words() const { return embedding.rows; }
  int64_t paddedRows() const { return hidden.paddedRows(); }
  int64_t paddedWidth() const { return hidden.paddedColumns(); }
};

// What one thread works with.
struct Workspace {
  Bf16* words;       // [kBlockWords, width] in squares, of the embedding
  Bf16* transposed;  // [width, kBlockWords] in squares
  float* bias;       // [kBlockWords], times kLog2E
  float* wordSums;   // [kBlockWords, width] in squares, the embedding's gradient
  float* biasSums;   // [kBlockWords, kLanes]
  Bf16* gradients;   // [kBlockWords, kBlockRows] in squares, of the logits
  Bf16* panels;      // the same, packed: [kBlockRows / kSide] panels of depth kBlockWords
  float* highest;    // [rows], the greatest logit of this thread's words, times kLog2E
  float* total;      // [rows], Σ exp(logit - highest)
  float* rowSums;    // [rows, width] in squares that are transposed, what this thread's words add to the hidden vectors' gradient

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

  void TakeWords(const Problem& problem, int64_t first, int64_t count) const {
    PackSquares(problem.embedding.Rows(first, count), {0, count}, words);
    for (int64_t word = 0; word < count; word++) bias[word] = first + word < problem.words() ? problem.bias[first + word] * kLog2E : kNever;
  }
};

// A square of logits is worked on in so many steps.
constexpr int64_t kSteps = 8;

// Makes the logits of so many rows and words without their bias, in squares that are transposed, and calls process(row, word, square[word][row],
// step) for each square and step, and then finish(row, word, square). While the vectors work on a square, the matrix unit makes the next one.
template <typename Process, typename Finish>
void ForLogits(Unit& unit, const Problem& problem, const Workspace& own, int64_t words, const Bf16* hidden, int64_t rows, Process process,
               Finish finish) {
  const int64_t width = problem.paddedWidth(), depth = width / kSide;
  alignas(64) float memory[2][kSquare];
  float *square = memory[0], *next = memory[1];
  const auto multiply = [&](int64_t row, int64_t word, auto meanwhile) {
    unit.MultiplySquares(own.words + SquareAt(word, 0, width), PanelOf(hidden, row, width), depth, next, false, meanwhile);
  };
  multiply(0, 0, [](int64_t) {});
  for (int64_t row = 0; row < rows; row += kSide) {
    for (int64_t word = 0; word < words; word += kSide) {
      std::swap(square, next);
      int64_t step = 0, due = 0;
      const bool inRow = word + kSide < words;
      if (inRow || row + kSide < rows) {
        multiply(inRow ? row : row + kSide, inRow ? word + kSide : 0, [&](int64_t) {
          for (due += kSteps; due >= depth; due -= depth) process(row, word, square, step++);
        });
      }
      while (step < kSteps) process(row, word, square, step++);
      finish(row, word, square);
    }
  }
}

// Calls `body(row, word)` for each of the square's rows whose target is one of its words, both counted within the square.
template <typename Body>
void ForTargets(const Problem& problem, int64_t firstRow, int64_t firstWord, Body body) {
  const int64_t count = std::min(kSide, problem.rows() - firstRow);
  for (int64_t row = 0; row < count; row++) {
    const int64_t word = problem.targets[firstRow + row] - firstWord;
    if (word >= 0 && word < kSide) body(row, word);
  }
}

// Goes over the logits of a thread's words: the greatest, the sum of exponentials, and the targets' own.
void SumExponentials(Unit& unit, const Problem& problem, Range range, const Bf16* hidden, const Workspace& own, float* wanted) {
  const int64_t rows = problem.paddedRows();
  std::fill_n(own.highest, rows, kNever);
  std::fill_n(own.total, rows, 0.0f);
  for (int64_t first = range.begin; first < range.end; first += kBlockWords) {
    const int64_t words = std::min(kBlockWords, range.end - first);
    own.TakeWords(problem, first, words);
    ForLogits(
        unit, problem, own, words, hidden, rows,
        [&](int64_t row, int64_t word, const float* square, int64_t step) {
          constexpr int64_t kHalf = kSteps / 2;
          static_assert(kSide == 2 * kLanes);
          const int64_t lane = step / kHalf * kLanes, part = step % kHalf;
          const float* const logits = square + lane;
          const float* const bias = own.bias + word;
          Lanes highest = Load(own.highest + row + lane);
          Lanes total = Load(own.total + row + lane);
          if (part == 0) {
            const Lanes before = highest;
            for (int64_t w = 0; w < kSide; w++) highest = Max(highest, Load(logits + w * kSide) * kLog2E + bias[w]);
            Store(own.highest + row + lane, highest);
            total *= PowerOfTwo(before - highest);
          } else {
            for (int64_t w = kSide * (part - 1) / (kHalf - 1); w < kSide * part / (kHalf - 1); w++) {
              total += PowerOfTwo(Load(logits + w * kSide) * kLog2E + bias[w] - highest);
            }
          }
          Store(own.total + row + lane, total);
        },
        [&](int64_t row, int64_t word, const float* square) {
          ForTargets(problem, row, first + word,
                     [&](int64_t r, int64_t w) { wanted[row + r] = square[w * kSide + r] * kLog2E + own.bias[word + w]; });
        });
  }
}

// The gradient of logits, softmax less one-hot, but for the one-hot.
Lanes Softmax(Lanes logit, float bias, Lanes normalizer, float scale) { return PowerOfTwo(logit * kLog2E + bias - normalizer) * scale; }

// A step of turning a square of logits into their gradient and keeping it for the two products that take it.
void KeepGradients(const Problem& problem, const Workspace& own, int64_t word, int64_t row, const float* normalizers, const float* square,
                   int64_t step) {
  constexpr int64_t kCount = kSide / kSteps;
  Bf16* const gradients = own.gradients + SquareAt(word, row, kBlockRows);
  Bf16* const panel = PanelOf(own.panels, row, kBlockWords);
  for (int64_t w = step * kCount; w < (step + 1) * kCount; w += 2) {
    Lanes sums[2] = {Load(own.biasSums + (word + w) * kLanes), Load(own.biasSums + (word + w + 1) * kLanes)};
    for (int64_t lane = 0; lane < kSide; lane += kLanes) {
      const Lanes normalizer = Load(normalizers + lane);
      Lanes values[2];
      for (int64_t next = 0; next < 2; next++) {
        values[next] = Softmax(Load(square + (w + next) * kSide + lane), own.bias[word + w + next], normalizer, problem.scale);
        sums[next] += values[next];
        Store(gradients + (w + next) * kSide + lane, values[next]);
      }
      PackPair(panel, word + w, lane, values[0], values[1]);
    }
    for (int64_t next = 0; next < 2; next++) Store(own.biasSums + (word + w + next) * kLanes, sums[next]);
  }
}

// Goes over the logits of a thread's words again, for the gradients.
void AddGradients(Unit& unit, const Problem& problem, Range range, const Bf16* hidden, const Bf16* hiddenRows, const float* normalizers,
                  const Workspace& own, float* embeddingGradient, float* biasGradient) {
  const int64_t width = problem.paddedWidth(), rows = problem.paddedRows();
  std::fill_n(own.rowSums, rows * width, 0.0f);
  for (int64_t first = range.begin; first < range.end; first += kBlockWords) {
    const int64_t words = std::min(kBlockWords, range.end - first);
    own.TakeWords(problem, first, words);
    PackTransposedSquares(problem.embedding.Rows(first, words), {0, words}, own.transposed);
    std::fill_n(own.wordSums, words * width, 0.0f);
    std::fill_n(own.biasSums, words * kLanes, 0.0f);
    for (int64_t block = 0; block < rows; block += kBlockRows) {
      const int64_t count = std::min(kBlockRows, rows - block);
      ForLogits(
          unit, problem, own, words, PanelOf(hidden, block, width), count,
          [&](int64_t row, int64_t word, const float* square, int64_t step) {
            KeepGradients(problem, own, word, row, normalizers + block + row, square, step);
          },
          [&](int64_t row, int64_t word, const float* square) {
            ForTargets(problem, block + row, first + word, [&](int64_t r, int64_t w) {
              const Lanes logit = Broadcast(square[w * kSide + r]), normalizer = Broadcast(normalizers[block + row + r]);
              const float gradient = Softmax(logit, own.bias[word + w], normalizer, problem.scale)[0] - problem.scale;
              own.biasSums[(word + w) * kLanes + r % kLanes] -= problem.scale;
              Assign(own.gradients + SquareAt(word, row, kBlockRows) + w * kSide + r, gradient);
              Assign(PanelOf(own.panels, row, kBlockWords) + (word + w) / 2 * 2 * kSide + r * 2 + w % 2, gradient);
            });
          });
      for (int64_t k = 0; k < width; k += kSide) {
        const Bf16* const panel = PanelOf(hiddenRows, k, rows) + block * kSide;
        for (int64_t word = 0; word < words; word += kSide) {
          float* const sums = own.wordSums + SquareAt(word, k, width);
          unit.MultiplySquares(own.gradients + SquareAt(word, 0, kBlockRows), panel, count / kSide, sums, true);
        }
        for (int64_t row = 0; row < count; row += kSide) {
          float* const sums = own.rowSums + SquareAt(block + row, k, width);
          unit.MultiplySquares(own.transposed + SquareAt(k, 0, words), PanelOf(own.panels, row, kBlockWords), words / kSide, sums, true);
        }
      }
    }
    for (int64_t word = 0; word < std::min(words, problem.words() - first); word++) {
      float* const to = embeddingGradient + (first + word) * problem.embedding.columns;
      for (int64_t k = 0; k < problem.embedding.columns; k += kLanes) {
        const float* const sums = own.wordSums + SquareAt(word, k, width) + word % kSide * kSide + k % kSide;
        Store(to + k, Load(sums), problem.embedding.columns - k);
      }
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
  const Matrix<float> hidden = MatrixOf<float>(hiddenInput), embedding = MatrixOf<float>(embeddingInput);
  const Problem problem = {hidden, embedding, biasInput.data<float>(), targetsInput.data<int32_t>(), *scaleInput.data<float>()};
  for (int64_t row = 0; row < problem.rows(); row++) {
    if (problem.targets[row] < 0 || problem.targets[row] >= problem.words()) throw std::invalid_argument("a target is not one of the words");
  }
  float* const losses = context.output(0, {hidden.rows});
  float* const hiddenGradient = context.output(1, {hidden.rows, hidden.columns});
  float* const embeddingGradient = context.output(2, {embedding.rows, embedding.columns});
  float* const biasGradient = context.output(3, {embedding.rows});

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
    const Range words = SquaresOf(problem.words(), thread);
    const Range rowsOf = SquaresOf(problem.rows(), thread);
    PackTransposedPanels(hidden, rowsOf, asColumns);
    PackPanels(hidden, rowsOf, asRows);
    barrier.Wait();
    SumExponentials(unit, problem, words, asColumns, own, wanted);
    barrier.Wait();
    for (int64_t row = rowsOf.begin; row < rowsOf.end; row++) {
      if (row >= problem.rows()) {
        normalizers[row] = -kNever;  // The gradients of what is no row are 0.
        continue;
      }
      float highest = kNever, total = 0;
      for (int other = 0; other < ThreadCount(); other++) highest = std::max(highest, workspaceOf(other).highest[row]);
      for (int other = 0; other < ThreadCount(); other++) {
        const Workspace part = workspaceOf(other);
        total += part.total[row] * std::exp2(part.highest[row] - highest);
      }
      normalizers[row] = highest + std::log2(total);
      losses[row] = (highest - wanted[row] + std::log2(total)) / kLog2E;
    }
    barrier.Wait();
    AddGradients(unit, problem, words, asColumns, asRows, normalizers, own, embeddingGradient, biasGradient);
    barrier.Wait();
    for (int64_t row = rowsOf.begin; row < rowsOf.end; row += kSide) {
      for (int64_t k = 0; k < width; k += kSide) {
        const int64_t at = SquareAt(row, k, width);
        alignas(64) float sums[kSquare] = {};
        for (int each = 0; each < ThreadCount(); each++) {
          const float* const part = workspaceOf(each).rowSums + at;
          for (int64_t i = 0; i < kSquare; i++) sums[i] += part[i];
        }
        const int64_t columns = std::min(kSide, hidden.columns - k);
        for (int64_t r = row; r < std::min(row + kSide, hidden.rows); r++) {
          float* const to = hiddenGradient + r * hidden.columns + k;
          for (int64_t column = 0; column < columns; column++) to[column] = sums[column * kSide + r - row];
        }
      }
    }
  });
}

}  // namespace ulmfit

#endif  // __AMX_BF16__
