// What an op of this folder sees of TensorFlow: its inputs as typed views, its outputs, and errors as exceptions. Built on the C
// kernel API (tensorflow/c/kernels.h, ops.h), which stays the same from version to version.
#ifndef ULMFIT_KERNEL_H_
#define ULMFIT_KERNEL_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/tf_tensor.h"

#include "lanes.h"

namespace ulmfit {

using Shape = std::vector<int64_t>;

template <typename T>
struct TypeOf;
template <>
struct TypeOf<float> {
  static constexpr TF_DataType value = TF_FLOAT;
};
template <>
struct TypeOf<Bf16> {
  static constexpr TF_DataType value = TF_BFLOAT16;
};
template <>
struct TypeOf<int32_t> {
  static constexpr TF_DataType value = TF_INT32;
};

// What TensorFlow refused, with its code: whoever asked is told the same.
class Failure : public std::runtime_error {
 public:
  Failure(TF_Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  TF_Code code() const { return code_; }

 private:
  TF_Code code_;
};

// An input for the time of one call.
class Input {
 public:
  explicit Input(TF_Tensor* tensor) : tensor_(tensor) {}
  Input(Input&& other) noexcept : tensor_(other.tensor_) { other.tensor_ = nullptr; }
  Input(const Input&) = delete;
  ~Input() {
    if (tensor_ != nullptr) TF_DeleteTensor(tensor_);
  }

  int64_t size() const { return TF_TensorElementCount(tensor_); }
  int64_t dim(int axis) const { return TF_Dim(tensor_, axis); }
  Shape shape() const {
    Shape shape(TF_NumDims(tensor_));
    for (size_t axis = 0; axis < shape.size(); axis++) shape[axis] = dim(static_cast<int>(axis));
    return shape;
  }

  template <typename T>
  const T* data() const {
    return static_cast<const T*>(TF_TensorData(tensor_));
  }

  // For the ops that say of an input that they overwrite it: the caller owns that tensor alone.
  template <typename T = float>
  T* overwritten() const {
    return static_cast<T*>(TF_TensorData(tensor_));
  }

 private:
  TF_Tensor* tensor_;
};

class Context {
 public:
  explicit Context(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
  Context(const Context&) = delete;
  ~Context() { TF_DeleteStatus(status_); }

  // An input of the shape given; -1 stands for any extent.
  Input input(int index, const char* name, const Shape& shape) {
    Input input = anyInput(index);
    const Shape actual = input.shape();
    bool matches = actual.size() == shape.size();
    for (size_t axis = 0; matches && axis < shape.size(); axis++) matches = shape[axis] < 0 || shape[axis] == actual[axis];
    if (!matches) throw std::invalid_argument(std::string(name) + " is " + Written(actual) + ", not " + Written(shape));
    return input;
  }

  Input anyInput(int index) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, index, &tensor, status_);
    Check();
    return Input(tensor);
  }

  template <typename T = float>
  T* output(int index, const Shape& shape) {
    size_t bytes = sizeof(T);
    for (const int64_t extent : shape) bytes *= extent;
    TF_Tensor* tensor =
        TF_AllocateOutput(context_, index, TypeOf<T>::value, shape.data(), static_cast<int>(shape.size()), bytes, status_);
    Check();
    T* data = tensor == nullptr ? nullptr : static_cast<T*>(TF_TensorData(tensor));
    if (tensor != nullptr) TF_DeleteTensor(tensor);  // The context holds it.
    if (data == nullptr && bytes > 0) throw Failure(TF_RESOURCE_EXHAUSTED, "OOM when allocating an output of shape " + Written(shape));
    return data;
  }

 private:
  void Check() {
    if (TF_GetCode(status_) != TF_OK) throw Failure(TF_GetCode(status_), TF_Message(status_));
  }

  static std::string Written(const Shape& shape) {
    std::string text = "[";
    for (size_t axis = 0; axis < shape.size(); axis++) {
      if (axis > 0) text += ", ";
      text += shape[axis] < 0 ? "any" : std::to_string(shape[axis]);
    }
    return text + "]";
  }

  TF_OpKernelContext* context_;
  TF_Status* status_;
};

// The functions behind the ops; ops.cc names their inputs and outputs. T is float or Bf16: how gates and logits lie in memory.
template <typename T>
void LstmForward(Context& context);
template <typename T>
void LstmBackward(Context& context);
void MaskRows(Context& context);
void Pool(Context& context);
void PoolGradient(Context& context);
template <typename T>
void SoftmaxCrossEntropy(Context& context);
#if defined(__AMX_BF16__)
void TiedCrossEntropy(Context& context);
void LayerProduct(Context& context);
void LayerGradients(Context& context);
#endif
void DropoutMask(Context& context);
void SumOfSquares(Context& context);
void Adam(Context& context);

}  // namespace ulmfit

#endif  // ULMFIT_KERNEL_H_
