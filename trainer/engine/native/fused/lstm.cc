// The recurrence of an LSTM layer, forward and backward, over a chunk of text (Hochreiter & Schmidhuber 1997, with the forget gate
// of Gers et al. 2000):
//   i, f, o = sigmoid(z_i, z_f, z_o),  g = tanh(z_g),  c_t = f · c_{t-1} + i · g,  h_t = o · tanh(c_t),
//   z_t = x_t · W + h_{t-1} · U + b.
// x · W comes in for the whole chunk; h · U is multiplied here, step by step, and the cell is computed while the sums of its four
// gates are still in registers. Gates in the order i, g, f, o along the axis 4 · hidden.
#include <algorithm>

#include "kernel.h"
#include "packing.h"
#include "product.h"
#include "scratch.h"
#include "threads.h"
#include "tiles.h"

namespace ulmfit {
namespace {

constexpr int kGates = 4;
constexpr int kAlignment = kLanes * sizeof(float);

// Both ways, a thread's piece of work is a tile of two panels: forward, the four gates of as many units as a vector has lanes; backward,
// four vectors of units.
constexpr int kTilePanels = 2;
constexpr int kTileWidth = kTilePanels * kPanelWidth;
static_assert(kTileWidth == kGates * kLanes, "a forward tile holds four gates");

struct Layer {
  int64_t hidden;
  int64_t gates() const { return kGates * hidden; }
  int64_t blocks() const { return (hidden + kLanes - 1) / kLanes; }         // of units, a vector each
  int64_t tiles() const { return (hidden + kTileWidth - 1) / kTileWidth; }  // of units, a tile each
};

// Panels of a forward tile: panel[k][gate][lane] = U[k][gate · hidden + block · kLanes + lane], 0 beyond the last unit; the first panel
// holds the first two gates. Of bfloat16, panel[k / 2][gate][lane][k % 2].
template <typename T>
void PackForward(const float* recurrent, const Layer& layer, Range blocks, T* panels) {
  constexpr int kDepth = Element<T>::kDepth;
  T* to = panels + blocks.begin * PaddedDepth<T>(layer.hidden) * kTileWidth;
  for (int64_t block = blocks.begin; block < blocks.end; block++) {
    const int64_t unit = block * kLanes;
    for (int panel = 0; panel < kTilePanels; panel++) {
      for (int64_t k = 0; k < layer.hidden; k += kDepth) {
        for (int v = 0; v < kPanelVectors; v++, to += kDepth * kLanes) {
          const int64_t gate = panel * kPanelVectors + v;
          Lanes values[kDepth] = {};
          for (int64_t next = 0; next < std::min<int64_t>(kDepth, layer.hidden - k); next++) {
            values[next] = Load(recurrent + (k + next) * layer.gates() + gate * layer.hidden + unit, layer.hidden - unit);
          }
          Element<T>::Pack(to, values);
        }
      }
    }
  }
}

// Panels of a backward tile, of the transpose: panel[k][lane] = U[panel · kPanelWidth + lane][k], 0 beyond the last unit. Of bfloat16,
// panel[k / 2][lane][k % 2].
template <typename T>
void PackBackward(const float* recurrent, const Layer& layer, Range tiles, T* panels) {
  constexpr int64_t kColumns = 16;  // At a time, so that the lines written to stay in the first cache.
  constexpr int64_t kDepth = Element<T>::kDepth;
  const int64_t depth = layer.gates();
  static_assert(kGates % kDepth == 0, "no padding is needed");
  for (int64_t panel = tiles.begin * kTilePanels; panel < tiles.end * kTilePanels; panel++) {
    T* const to = panels + panel * depth * kPanelWidth;
    for (int64_t first = 0; first < depth; first += kColumns) {
      const int64_t end = std::min(depth, first + kColumns);
      for (int64_t lane = 0; lane < kPanelWidth; lane++) {
        const int64_t unit = panel * kPanelWidth + lane;
        for (int64_t k = first; k < end; k++) {
          const float value = unit < layer.hidden ? recurrent[unit * depth + k] : 0;
          Assign(to + (k / kDepth * kPanelWidth + lane) * kDepth + k % kDepth, value);
        }
      }
    }
  }
}

// tile[r][column] = Σ_k a[r][k] · panels[column][k], for the two panels of a tile.
template <typename T>
void MultiplyTile(Multiplier<T>& multiplier, int64_t rows, const T* a, const T* panels, int64_t depth, float* tile) {
  for (int panel = 0; panel < kTilePanels; panel++) {
    multiplier.Multiply(rows, a, depth, panels + panel * depth * kPanelWidth, depth, tile + panel * kPanelWidth, kTileWidth);
  }
}

// What the recurrent product of a step reads, [batch, depth], and where its outputs go for the next one. Floats are read where they
// are needed anyway; of bfloat16, two steps are kept by themselves.
template <typename T>
class Recurrence;
template <>
class Recurrence<float> {
 public:
  Recurrence(Scratch&, float* outputs, const Packing& packing, int64_t batch, int64_t hidden)
      : outputs_(outputs), packing_(packing), batch_(batch), hidden_(hidden) {}
  const float* Before(int64_t t) const { return outputs_ + (t == 0 ? 0 : batch_ + packing_.start(t - 1)) * hidden_; }
  void Keep(int64_t, int64_t, int64_t, Lanes, int64_t) {}

 private:
  float* outputs_;
  const Packing& packing_;
  int64_t batch_, hidden_;
};
template <>
class Recurrence<Bf16> {
 public:
  Recurrence(Scratch& scratch, const float* outputs, const Packing&, int64_t batch, int64_t hidden)
      : depth_(PaddedDepth<Bf16>(hidden)), steps_{scratch.Get<Bf16>(2 * batch * depth_)} {
    steps_[1] = steps_[0] + batch * depth_;
    std::fill_n(steps_[0], 2 * batch * depth_, Bf16{});
    for (int64_t row = 0; row < batch; row++) {
      for (int64_t unit = 0; unit < hidden; unit += kLanes) Keep(-1, row, unit, Load(outputs + row * hidden + unit, hidden - unit), hidden - unit);
    }
  }
  const Bf16* Before(int64_t t) const { return steps_[t % 2]; }
  void Keep(int64_t t, int64_t row, int64_t unit, Lanes output, int64_t units) { Store(steps_[(t + 1) % 2] + row * depth_ + unit, output, units); }

 private:
  int64_t depth_;
  Bf16* steps_[2];
};

}  // namespace

// Inputs: projected [tokens, 4 · hidden] = x · W, overwritten with the activated gates; recurrent [hidden, 4 · hidden];
// bias [4 · hidden]; hidden and cell [batch, hidden], where each row starts; rows [time], int32, the packing of the tokens.
// Outputs: cells and outputs [batch + tokens, hidden], the state that came in before what each token made of it. With projected in bfloat16,
// so are the gates and what the recurrent product multiplies; sums, cells and outputs are floats.
template <typename T>
void LstmForward(Context& context) {
  const Input projected = context.input(0, "projected", {-1, -1});
  const int64_t tokens = projected.dim(0);
  const Layer layer = {projected.dim(1) / kGates};
  if (projected.dim(1) != layer.gates()) throw std::invalid_argument("projected does not hold four gates of equal width");
  const Input recurrent = context.input(1, "recurrent", {layer.hidden, layer.gates()});
  const Input bias = context.input(2, "bias", {layer.gates()});
  const Input hidden = context.input(3, "hidden", {-1, layer.hidden});
  const int64_t batch = hidden.dim(0);
  const Input cell = context.input(4, "cell", {batch, layer.hidden});
  const Input rowsInput = context.input(5, "rows", {-1});
  const Packing packing(rowsInput, tokens);
  packing.CheckBatch(batch);
  T* const gates = projected.overwritten<T>();
  float* const cells = context.output(0, {batch + tokens, layer.hidden});
  float* const outputs = context.output(1, {batch + tokens, layer.hidden});
  std::copy_n(cell.data<float>(), batch * layer.hidden, cells);
  std::copy_n(hidden.data<float>(), batch * layer.hidden, outputs);

  static thread_local Scratch panelScratch, stepScratch;
  const int64_t depth = PaddedDepth<T>(layer.hidden);
  T* const panels = panelScratch.Get<T>(layer.blocks() * depth * kTileWidth);
  Recurrence<T> recurrence(stepScratch, outputs, packing, batch, layer.hidden);
  const int64_t mostRows = Multiplier<T>::MostRows();
  Barrier barrier;
  OnAllThreads([&](int thread) {
    PackForward<T>(recurrent.data<float>(), layer, PartOf(layer.blocks(), thread), panels);
    Multiplier<T> multiplier;
    barrier.Wait();
    for (int64_t t = 0; t < packing.time(); t++) {
      const RowBlocks rows(packing.rows(t), mostRows);
      const int64_t before = t == 0 ? 0 : batch + packing.start(t - 1);
      const int64_t after = batch + packing.start(t);
      const Range items = PartOf(layer.blocks() * rows.count, thread);
      const ThereAndBack order(items, t);
      for (int64_t k = 0; k < items.end - items.begin; k++) {
        const int64_t item = order[k];
        const int64_t block = item / rows.count;
        const int64_t unit = block * kLanes;
        const int64_t first = rows.Begin(item % rows.count);
        const int64_t end = rows.Begin(item % rows.count + 1);
        for (int64_t row = first; row < end; row++) {
          for (int gate = 0; gate < kGates; gate++) {
            __builtin_prefetch(gates + (packing.start(t) + row) * layer.gates() + gate * layer.hidden + unit, 1);
          }
        }
        alignas(kAlignment) float tile[Multiplier<T>::kMostRows * kTileWidth];
        MultiplyTile(multiplier, end - first, recurrence.Before(t) + first * depth, panels + block * depth * kTileWidth, depth, tile);
        WithLanes(layer.hidden - unit, [&](auto units) {
          for (int64_t row = first; row < end; row++) {
            T* const z = gates + (packing.start(t) + row) * layer.gates() + unit;
            Lanes sums[kGates];
#pragma GCC unroll 4
            for (int gate = 0; gate < kGates; gate++) {
              sums[gate] = Load(tile + (row - first) * kTileWidth + gate * kLanes) + Load(z + gate * layer.hidden, units) +
                           Load(bias.data<float>() + gate * layer.hidden + unit, units);
            }
            const int64_t from = (before + row) * layer.hidden + unit;
            const int64_t to = (after + row) * layer.hidden + unit;
            const Lanes i = Sigmoid(sums[0]), g = Tanh(sums[1]), f = Sigmoid(sums[2]), o = Sigmoid(sums[3]);
            const Lanes c = f * Load(cells + from, units) + i * g;
            Store(z, i, units);
            Store(z + layer.hidden, g, units);
            Store(z + 2 * layer.hidden, f, units);
            Store(z + 3 * layer.hidden, o, units);
            Store(cells + to, c, units);
            const Lanes output = o * Tanh(c);
            Store(outputs + to, output, units);
            recurrence.Keep(t, row, unit, output, units);
          }
        });
      }
      barrier.Wait();
    }
  });
}

// Inputs: outputGradient [tokens, hidden]; gates [tokens, 4 · hidden] and cells [batch + tokens, hidden] as the forward op left them,
// gates overwritten with the gradient of z; recurrent [hidden, 4 · hidden]; rows [time] and truncation, int32: no gradient goes from
// a step t to t - 1 where t is a multiple of it (truncated back-propagation), nor into the state that came in. Output: the gradient of the
// bias [4 · hidden].
template <typename T>
void LstmBackward(Context& context) {
  const Input gradient = context.input(0, "outputGradient", {-1, -1});
  const int64_t tokens = gradient.dim(0);
  const Layer layer = {gradient.dim(1)};
  const Input activated = context.input(1, "gates", {tokens, layer.gates()});
  const Input cellsInput = context.input(2, "cells", {-1, layer.hidden});
  const int64_t batch = cellsInput.dim(0) - tokens;
  const Input recurrent = context.input(3, "recurrent", {layer.hidden, layer.gates()});
  const Input rowsInput = context.input(4, "rows", {-1});
  const Input truncationInput = context.input(5, "truncation", {});
  const int64_t truncation = *truncationInput.data<int32_t>();
  if (truncation < 1) throw std::invalid_argument("truncation is less than one step");
  const Packing packing(rowsInput, tokens);
  packing.CheckBatch(batch);
  float* const biasGradient = context.output(0, {layer.gates()});
  T* const gates = activated.overwritten<T>();
  const float* const cells = cellsInput.data<float>();
  const float* const outputGradient = gradient.data<float>();

  const int64_t depth = layer.gates();
  static thread_local Scratch panelScratch, carryScratch, biasScratch;
  T* const panels = panelScratch.Get<T>(layer.tiles() * depth * kTileWidth);
  float* const carry = carryScratch.Get(batch * layer.hidden);  // the gradient of the cell, from the step after
  float* const biasParts = biasScratch.Get(ThreadCount() * depth);
  std::fill_n(biasParts, ThreadCount() * depth, 0.0f);
  const int64_t mostRows = Multiplier<T>::MostRows();
  Barrier barrier;
  OnAllThreads([&](int thread) {
    PackBackward<T>(recurrent.data<float>(), layer, PartOf(layer.tiles(), thread), panels);
    Multiplier<T> multiplier;
    barrier.Wait();
    float* const biasPart = biasParts + thread * depth;
    for (int64_t t = packing.time() - 1; t >= 0; t--) {
      // Rows to which the step after hands a gradient, and those that end here.
      const int64_t live = (t + 1) % truncation == 0 ? 0 : packing.rows(t + 1);
      const RowBlocks going(live, mostRows), ending(packing.rows(t) - live, mostRows);
      const int64_t blocks = going.count + ending.count;
      const int64_t before = t == 0 ? 0 : batch + packing.start(t - 1);
      const int64_t after = batch + packing.start(t);
      const Range items = PartOf(layer.tiles() * blocks, thread);
      const ThereAndBack order(items, t);
      for (int64_t k = 0; k < items.end - items.begin; k++) {
        const int64_t item = order[k];
        const int64_t tile = item / blocks;
        const int64_t block = item % blocks;
        const bool goesOn = block < going.count;
        const int64_t first = goesOn ? going.Begin(block) : live + ending.Begin(block - going.count);
        const int64_t end = goesOn ? going.Begin(block + 1) : live + ending.Begin(block - going.count + 1);
        const int64_t firstUnit = tile * kTileWidth;
        for (int64_t row = first; row < end; row++) {
          const int64_t token = packing.start(t) + row;
          for (int64_t unit = firstUnit; unit < std::min(layer.hidden, firstUnit + kTileWidth); unit += kLanes) {
            __builtin_prefetch(outputGradient + token * layer.hidden + unit);
            __builtin_prefetch(cells + (after + row) * layer.hidden + unit);
            __builtin_prefetch(cells + (before + row) * layer.hidden + unit);
            for (int gate = 0; gate < kGates; gate++) __builtin_prefetch(gates + token * depth + gate * layer.hidden + unit, 1);
          }
        }
        alignas(kAlignment) float gradients[Multiplier<T>::kMostRows * kTileWidth];
        if (goesOn) {
          const T* const next = gates + (packing.start(t + 1) + first) * depth;
          MultiplyTile(multiplier, end - first, next, panels + tile * depth * kTileWidth, depth, gradients);
        } else {
          std::fill_n(gradients, (end - first) * kTileWidth, 0.0f);
        }
        for (int64_t unit = firstUnit; unit < std::min(layer.hidden, firstUnit + kTileWidth); unit += kLanes) {
          WithLanes(layer.hidden - unit, [&](auto units) {
            Lanes biasSums[kGates] = {};
            for (int64_t row = first; row < end; row++) {
              const int64_t token = packing.start(t) + row;
              T* const z = gates + token * depth + unit;
              const int64_t at = row * layer.hidden + unit;
              const Lanes i = Load(z, units), g = Load(z + layer.hidden, units);
              const Lanes f = Load(z + 2 * layer.hidden, units), o = Load(z + 3 * layer.hidden, units);
              const Lanes tanhCell = Tanh(Load(cells + after * layer.hidden + at, units));
              const Lanes fromAfter = goesOn ? Load(carry + at, units) : Lanes{};
              const Lanes output = Load(gradients + (row - first) * kTileWidth + unit - firstUnit) +
                                   Load(outputGradient + token * layer.hidden + unit, units);
              const Lanes inner = fromAfter + output * o * (1.0f - tanhCell * tanhCell);
              const Lanes ofGates[kGates] = {
                  inner * g * i * (1.0f - i),
                  inner * i * (1.0f - g * g),
                  inner * Load(cells + before * layer.hidden + at, units) * f * (1.0f - f),
                  output * tanhCell * o * (1.0f - o),
              };
              Store(carry + at, inner * f, units);
#pragma GCC unroll 4
              for (int gate = 0; gate < kGates; gate++) {
                Store(z + gate * layer.hidden, ofGates[gate], units);
                biasSums[gate] += ofGates[gate];
              }
            }
#pragma GCC unroll 4
            for (int gate = 0; gate < kGates; gate++) {
              float* const sum = biasPart + gate * layer.hidden + unit;
              Store(sum, Load(sum, units) + biasSums[gate], units);
            }
          });
        }
      }
      barrier.Wait();
    }
  });
  std::copy_n(biasParts, depth, biasGradient);
  for (int thread = 1; thread < ThreadCount(); thread++) {
    for (int64_t k = 0; k < depth; k++) biasGradient[k] += biasParts[thread * depth + k];
  }
}

template void LstmForward<float>(Context& context);
template void LstmForward<Bf16>(Context& context);
template void LstmBackward<float>(Context& context);
template void LstmBackward<Bf16>(Context& context);

}  // namespace ulmfit
