// Dropout masks from a counter-based generator, the same numbers as TensorFlow's StatelessRandomUniform draws.
#include <algorithm>

#include "kernel.h"
#include "threads.h"

namespace ulmfit {
namespace {

// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3): four words from a counter and a key.
struct Philox {
  static constexpr int kWords = 4;
  uint32_t counter[4];
  uint32_t key[2];

  void Draw(uint32_t (&words)[kWords]) const {
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
      const uint64_t a = uint64_t{0xD2511F53} * c0;
      const uint64_t b = uint64_t{0xCD9E8D57} * c2;
      const uint32_t n0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
      const uint32_t n2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
      c0 = n0;
      c1 = static_cast<uint32_t>(b);
      c2 = n2;
      c3 = static_cast<uint32_t>(a);
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
  }

  // The generator `steps` draws later.
  Philox After(uint64_t steps) const {
    Philox later = *this;
    uint64_t low = counter[0] | uint64_t{counter[1]} << 32;
    const uint64_t high = (counter[2] | uint64_t{counter[3]} << 32) + (low + steps < low ? 1 : 0);
    low += steps;
    later.counter[0] = static_cast<uint32_t>(low);
    later.counter[1] = static_cast<uint32_t>(low >> 32);
    later.counter[2] = static_cast<uint32_t>(high);
    later.counter[3] = static_cast<uint32_t>(high >> 32);
    return later;
  }
};

// How TensorFlow makes a generator of a two-word seed (tensorflow/core/kernels/stateless_random_ops.cc, GenerateKey).
Philox FromSeed(const int32_t seed[2]) {
  const auto extended = [](int32_t word) { return static_cast<uint64_t>(static_cast<int64_t>(word)); };
  const uint64_t a = extended(seed[0]), b = extended(seed[1]);
  const Philox mixer = {{static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32), static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32)},
                        {0x3ec8f720, 0x02461e29}};
  uint32_t mix[Philox::kWords];
  mixer.Draw(mix);
  return {{0, 0, mix[2], mix[3]}, {mix[0], mix[1]}};
}

}  // namespace

// Inputs: shape [axes] and seed [2], int32; probability and kept, scalars. Output: a mask of that shape, 0 where the uniform number of
// the place is below the probability, else `kept`.
void DropoutMask(Context& context) {
  const Input shapeInput = context.input(0, "shape", {-1});
  const Input seedInput = context.input(1, "seed", {2});
  const Input probabilityInput = context.input(2, "probability", {});
  const Input keptInput = context.input(3, "kept", {});
  const int32_t* const extents = shapeInput.data<int32_t>();
  const Shape shape(extents, extents + shapeInput.size());
  float* const mask = context.output(0, shape);
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  const float probability = *probabilityInput.data<float>();
  const float kept = *keptInput.data<float>();
  // A uniform number is the low 23 bits of a word, over 2^23; so it is below the probability exactly where those bits are below this.
  const double scaled = static_cast<double>(probability) * (1 << 23);
  const uint32_t bound = static_cast<uint32_t>(scaled) + (scaled > static_cast<uint32_t>(scaled) ? 1 : 0);
  const Philox start = FromSeed(seedInput.data<int32_t>());
  const int64_t draws = (size + Philox::kWords - 1) / Philox::kWords;
  InParallel(draws, [=](int64_t begin, int64_t end) {
    constexpr int64_t kAtOnce = 64;
    uint32_t words[kAtOnce][Philox::kWords];
    for (int64_t first = begin; first < end; first += kAtOnce) {
      const int64_t count = std::min(kAtOnce, end - first);
      for (int64_t draw = 0; draw < count; draw++) start.After(first + draw).Draw(words[draw]);
      const int64_t last = std::min(size, (first + count) * Philox::kWords);
      for (int64_t k = first * Philox::kWords; k < last; k++) {
        const int64_t at = k - first * Philox::kWords;
        mask[k] = (words[at / Philox::kWords][at % Philox::kWords] & 0x7fffff) < bound ? 0 : kept;
      }
    }
  });
}

}  // namespace ulmfit
