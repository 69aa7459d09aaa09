// The large products of an LSTM layer, for all tokens at once, where there is a matrix unit: inputs times weights, and of the gates' gradient the
// gradients in both.
#include "squares.h"

#if defined(__AMX_BF16__)

#include <utility>

#include "kernel.h"
#include "scratch.h"

namespace ulmfit {
namespace {

// So many tokens are packed at once: packed operands then take little memory beside the gates of a batch of long documents.
constexpr int64_t kTokensAtOnce = 8192;

// Packed operands and sums, for the time of a call.
class Operands {
 public:
  explicit Operands(int64_t size) {
    static thread_local Scratch operands, sums;
    next_ = operands.Get<Bf16>(size);
    sums_ = sums.Get(ThreadCount() * kBlockSums);
  }
  Bf16* Take(int64_t size) { return std::exchange(next_, next_ + size); }
  float* Sums(int thread) const { return sums_ + thread * kBlockSums; }

 private:
  Bf16* next_;
  float* sums_;
};

}  // namespace

// Inputs: x [tokens, in]; weights [in, gates]. Output: x · weights [tokens, gates], bfloat16.
void LayerProduct(Context& context) {
  const Input xInput = context.input(0, "x", {-1, -1});
  const Input weightsInput = context.input(1, "weights", {xInput.dim(1), -1});
  const Matrix<float> x = MatrixOf<float>(xInput), weights = MatrixOf<float>(weightsInput);
  Bf16* const gates = context.output<Bf16>(0, {x.rows, weights.columns});
  const int64_t most = x.Rows(0, kTokensAtOnce).paddedSize();
  Operands operands(most + weights.paddedSize());
  Bf16* const squares = operands.Take(most);
  Bf16* const panels = operands.Take(weights.paddedSize());
  Barrier barrier;
  OnAllThreads([&](int thread) {
    Unit unit;
    PackPanels(weights, SquaresOf(weights.rows, thread), panels);
    barrier.Wait();
    // From here on, each thread multiplies the rows that it has packed itself.
    for (int64_t first = 0; first < x.rows; first += kTokensAtOnce) {
      const Matrix<float> part = x.Rows(first, kTokensAtOnce);
      const Range rows = SquaresOf(part.rows, thread);
      PackSquares(part, rows, squares);
      Bf16* const to = gates + first * weights.columns;
      MultiplyPacked(unit, squares, panels, x.paddedColumns(), rows, operands.Sums(thread), to, part.rows, weights.columns);
    }
  });
}

// Inputs: gradient [tokens, gates], bfloat16; x [tokens, in]; weights [in, gates]; previous [tokens, hidden], the output before each token. Outputs:
// the gradients in x, in the weights, and in the recurrent weights [hidden, gates].
void LayerGradients(Context& context) {
  const Input gradientInput = context.input(0, "gradient", {-1, -1});
  const Input xInput = context.input(1, "x", {gradientInput.dim(0), -1});
  const Input weightsInput = context.input(2, "weights", {xInput.dim(1), gradientInput.dim(1)});
  const Input previousInput = context.input(3, "previous", {gradientInput.dim(0), -1});
  const Matrix<Bf16> allGradients = MatrixOf<Bf16>(gradientInput);
  const Matrix<float> allX = MatrixOf<float>(xInput), allPrevious = MatrixOf<float>(previousInput), weights = MatrixOf<float>(weightsInput);
  const int64_t gates = allGradients.columns;
  float* const xGradient = context.output(0, {allX.rows, allX.columns});
  float* const weightsGradient = context.output(1, {allX.columns, gates});
  float* const recurrentGradient = context.output(2, {allPrevious.columns, gates});
  const auto mostOf = [](const auto& matrix) { return matrix.Rows(0, kTokensAtOnce).paddedSize(); };
  Operands operands(2 * mostOf(allGradients) + mostOf(allX) + mostOf(allPrevious) + weights.paddedSize());
  Bf16* const squares = operands.Take(mostOf(allGradients));
  Bf16* const panels = operands.Take(mostOf(allGradients));
  Bf16* const xSquares = operands.Take(mostOf(allX));
  Bf16* const previousSquares = operands.Take(mostOf(allPrevious));
  Bf16* const weightPanels = operands.Take(weights.paddedSize());
  Barrier barrier;
  OnAllThreads([&](int thread) {
    Unit unit;
    float* const sums = operands.Sums(thread);
    PackTransposedPanels(weights, SquaresOf(weights.rows, thread), weightPanels);
    for (int64_t first = 0; first == 0 || first < allX.rows; first += kTokensAtOnce) {
      const Matrix<Bf16> gradient = allGradients.Rows(first, kTokensAtOnce);
      const Matrix<float> x = allX.Rows(first, kTokensAtOnce), previous = allPrevious.Rows(first, kTokensAtOnce);
      const Range tokens = SquaresOf(x.rows, thread);
      PackSquares(gradient, tokens, squares);
      PackPanels(gradient, tokens, panels);
      PackTransposedSquares(x, tokens, xSquares);
      PackTransposedSquares(previous, tokens, previousSquares);
      barrier.Wait();
      MultiplyPacked(unit, squares, weightPanels, gradient.paddedColumns(), tokens, sums, xGradient + first * x.columns, x.rows, x.columns);
      const auto addTransposed = [&](const Bf16* transposed, int64_t rows, float* to) {
        MultiplyPacked(unit, transposed, panels, gradient.paddedRows(), SquaresOf(rows, thread), sums, to, rows, gates, first > 0);
      };
      addTransposed(xSquares, x.columns, weightsGradient);
      addTransposed(previousSquares, previous.columns, recurrentGradient);
      barrier.Wait();  // until nobody reads the operands any more
    }
  });
}

}  // namespace ulmfit

#endif  // __AMX_BF16__
