// Registers the ops with TensorFlow when Node loads this addon.
#include <node_api.h>

#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>

#include "kernel.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "threads.h"
#include "tiles.h"

namespace ulmfit {
namespace {

void Fail(TF_OpKernelContext* kernel, TF_Code code, const char* message) {
  TF_Status* status = TF_NewStatus();
  TF_SetStatus(status, code, message);
  TF_OpKernelContext_Failure(kernel, status);
  TF_DeleteStatus(status);
}

template <void (*kCompute)(Context&)>
void Run(void*, TF_OpKernelContext* kernel) {
  try {
    Context context(kernel);
    kCompute(context);
  } catch (const Failure& failure) {
    Fail(kernel, failure.code(), failure.what());
  } catch (const std::invalid_argument& error) {
    Fail(kernel, TF_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc&) {
    // TensorFlow's words for its own tensors, so that both are known by them.
    Fail(kernel, TF_RESOURCE_EXHAUSTED, "OOM when allocating an op's working memory");
  } catch (const std::exception& error) {
    Fail(kernel, TF_INTERNAL, error.what());
  }
}

template <void (*kCompute)(Context&)>
void Register(const std::string& name, std::initializer_list<std::string> inputs, std::initializer_list<std::string> outputs) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name.c_str());
  for (const std::string& input : inputs) TF_OpDefinitionBuilderAddInput(definition, input.c_str());
  for (const std::string& output : outputs) TF_OpDefinitionBuilderAddOutput(definition, output.c_str());
  // Several ops write to their inputs, so a call must neither be dropped nor be merged with another.
  TF_OpDefinitionBuilderSetIsStateful(definition, true);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(
      definition, [](TF_ShapeInferenceContext* context, TF_Status* outcome) { TF_ShapeInferenceContextSetUnknownShape(context, outcome); });
  TF_RegisterOpDefinition(definition, status);
  if (TF_GetCode(status) == TF_OK) {
    TF_KernelBuilder* kernel = TF_NewKernelBuilder(
        name.c_str(), "CPU", [](TF_OpKernelConstruction*) -> void* { return nullptr; }, &Run<kCompute>, [](void*) {});
    TF_RegisterKernelBuilder(name.c_str(), kernel, status);
  }
  const std::string message = TF_GetCode(status) == TF_OK ? "" : TF_Message(status);
  TF_DeleteStatus(status);
  if (!message.empty()) throw std::runtime_error(message);
}

// The ops whose large tensors are of one type or another.
template <typename T>
void RegisterIn(const std::string& suffix, const std::string& type) {
  Register<LstmForward<T>>("UlmfitLstmForward" + suffix,
                           {"projected: " + type, "recurrent: float", "bias: float", "hidden: float", "cell: float", "rows: int32"},
                           {"cells: float", "outputs: float"});
  Register<LstmBackward<T>>(
      "UlmfitLstmBackward" + suffix,
      {"output_gradient: float", "gates: " + type, "cells: float", "recurrent: float", "rows: int32", "truncation: int32"},
      {"bias_gradient: float"});
  Register<SoftmaxCrossEntropy<T>>("UlmfitSoftmaxCrossEntropy" + suffix,
                                   {"logits: " + type, "bias: float", "targets: int32", "scale: float"},
                                   {"losses: float", "bias_gradient: float"});
}

// Returns whether there is a matrix unit, and so the ops that need one.
bool RegisterAll() {
  RegisterIn<float>("", "float");
  RegisterIn<Bf16>("Bf16", "bfloat16");
  Register<MaskRows>("UlmfitMaskRows", {"x: float", "mask: float", "rows: int32"}, {"masked: float"});
  Register<Pool>("UlmfitPool", {"outputs: float", "pooled: float", "rows: int32"}, {"new_pooled: float", "places: int32"});
  Register<PoolGradient>("UlmfitPoolGradient", {"gradient: float", "places: int32", "rows: int32", "tokens: int32"},
                         {"output_gradient: float"});
  Register<DropoutMask>("UlmfitDropoutMask", {"shape: int32", "seed: int32", "probability: float", "kept: float"}, {"mask: float"});
  Register<SumOfSquares>("UlmfitSumOfSquares", {"x: float"}, {"sum: float"});
  Register<Adam>("UlmfitAdam",
                 {"parameter: float", "first: float", "second: float", "gradient: float", "gradient_scale: float", "settings: float"},
                 {"nothing: float"});
#if defined(__AMX_BF16__)
  if (!HasTiles()) return false;
  Register<TiedCrossEntropy>("UlmfitTiedCrossEntropy", {"hidden: float", "embedding: float", "bias: float", "targets: int32", "scale: float"},
                             {"losses: float", "hidden_gradient: float", "embedding_gradient: float", "bias_gradient: float"});
  Register<LayerProduct>("UlmfitLayerProduct", {"x: float", "weights: float"}, {"gates: bfloat16"});
  Register<LayerGradients>("UlmfitLayerGradients", {"gradient: bfloat16", "x: float", "weights: float", "previous: float"},
                           {"x_gradient: float", "weights_gradient: float", "recurrent_gradient: float"});
  return true;
#else
  return false;
#endif
}

}  // namespace
}  // namespace ulmfit

// Several threads of Node may load the addon; TensorFlow must hear of the ops once.
NAPI_MODULE_INIT() {
  bool hasMatrixUnit = false;
  try {
    static const bool found = ulmfit::RegisterAll();
    hasMatrixUnit = found;
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  napi_value threads;
  napi_create_int32(env, ulmfit::ThreadCount(), &threads);
  napi_set_named_property(env, exports, "threads", threads);
  napi_value matrixUnit;
  napi_get_boolean(env, hasMatrixUnit, &matrixUnit);
  napi_set_named_property(env, exports, "hasMatrixUnit", matrixUnit);
  return exports;
}
