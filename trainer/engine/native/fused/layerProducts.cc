// The large products of an LSTM layer, for all tokens at once, where there is a matrix unit: inputs times weights, and of the gates' gradient the
// gradients in both.
#include "squares.h"

#if defined(__AMX_BF16__)

#include <utility>

#include "kernel.h"
#include "scratch.h"

namespace ulmfit {
namespace {

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
  Operands operands(x.paddedSize() + weights.paddedSize());
  Bf16* const squares = operands.Take(x.paddedSize());
  Bf16* const panels = operands.Take(weights.paddedSize());
  Barrier barrier;
  OnAllThreads([&](int thread) {
    Unit unit;
    const Range rows = SquaresOf(x.rows, thread);
    PackPanels(weights, SquaresOf(weights.rows, thread), panels);
    PackSquares(x, rows, squares);
    barrier.Wait();
    MultiplyPacked(unit, squares, panels, x.paddedColumns(), rows, operands.Sums(thread), gates, x.rows, weights.columns);
  });
}

// Inputs: gradient [tokens, gates], bfloat16; x [tokens, in]; weights [in, gates]; previous [tokens, hidden], the output before each token. Outputs:
// the gradients in x, in the weights, and in the recurrent weights [hidden, gates].
void LayerGradients(Context& context) {
  const Input gradientInput = context.input(0, "gradient", {-1, -1});
  const Input xInput = context.input(1, "x", {gradientInput.dim(0), -1});
  const Input weightsInput = context.input(2, "weights", {xInput.dim(1), gradientInput.dim(1)});
  const Input previousInput = context.input(3, "previous", {gradientInput.dim(0), -1});
  const Matrix<Bf16> gradient = MatrixOf<Bf16>(gradientInput);
  const Matrix<float> x = MatrixOf<float>(xInput), weights = MatrixOf<float>(weightsInput), previous = MatrixOf<float>(previousInput);
  float* const xGradient = context.output(0, {x.rows, x.columns});
  float* const weightsGradient = context.output(1, {x.columns, gradient.columns});
  float* const recurrentGradient = context.output(2, {previous.columns, gradient.columns});
  Operands operands(2 * gradient.paddedSize() + weights.paddedSize() + x.paddedSize() + previous.paddedSize());
  Bf16* const squares = operands.Take(gradient.paddedSize());
  Bf16* const panels = operands.Take(gradient.paddedSize());
  Bf16* const weightPanels = operands.Take(weights.paddedSize());
  Bf16* const xSquares = operands.Take(x.paddedSize());
  Bf16* const previousSquares = operands.Take(previous.paddedSize());
  Barrier barrier;
  OnAllThreads([&](int thread) {
    Unit unit;
    const Range tokens = SquaresOf(x.rows, thread);
    PackSquares(gradient, tokens, squares);
    PackPanels(gradient, tokens, panels);
    PackTransposedSquares(x, tokens, xSquares);
    PackTransposedSquares(previous, tokens, previousSquares);
    PackTransposedPanels(weights, SquaresOf(weights.rows, thread), weightPanels);
    barrier.Wait();
    float* const sums = operands.Sums(thread);
    const int64_t depth = gradient.paddedRows();
    MultiplyPacked(unit, squares, weightPanels, gradient.paddedColumns(), tokens, sums, xGradient, x.rows, x.columns);
    MultiplyPacked(unit, xSquares, panels, depth, SquaresOf(x.columns, thread), sums, weightsGradient, x.columns, gradient.columns);
    MultiplyPacked(unit, previousSquares, panels, depth, SquaresOf(previous.columns, thread), sums, recurrentGradient, previous.columns,
                   gradient.columns);
  });
}

}  // namespace ulmfit

#endif  // __AMX_BF16__
