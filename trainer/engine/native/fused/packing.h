// How the rows of a batch lie in one matrix of tokens, for texts of different lengths: first the first tokens of all rows, then the
// second tokens of the rows that have one, and so on. Rows are sorted by length, longest first, so those at work are the first ones.
#ifndef ULMFIT_PACKING_H_
#define ULMFIT_PACKING_H_

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "kernel.h"

namespace ulmfit {

class Packing {
 public:
  // rows[t] is the number of rows that have a token at step t: [time], int32, never growing.
  Packing(const Input& rows, int64_t tokens) : rows_(rows.data<int32_t>()), starts_(rows.size() + 1, 0) {
    for (int64_t t = 0; t < time(); t++) {
      if (rows_[t] < 0 || (t > 0 && rows_[t] > rows_[t - 1])) throw std::invalid_argument("rows is negative or grows");
      starts_[t + 1] = starts_[t] + rows_[t];
    }
    if (starts_.back() != tokens) throw std::invalid_argument("rows does not add up to the number of tokens");
  }

  int64_t time() const { return static_cast<int64_t>(starts_.size()) - 1; }
  // Rows at work at step t; none before the first step and after the last one.
  int64_t rows(int64_t t) const { return t < time() ? rows_[t] : 0; }
  // Where step t begins among the tokens.
  int64_t start(int64_t t) const { return starts_[t]; }
  void CheckBatch(int64_t batch) const {
    if (rows(0) > batch) throw std::invalid_argument("there are more rows than the batch has");
  }

 private:
  const int32_t* rows_;
  std::vector<int64_t> starts_;
};

}  // namespace ulmfit

#endif  // ULMFIT_PACKING_H_
