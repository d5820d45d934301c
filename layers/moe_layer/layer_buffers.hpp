// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "kernels/permute/permute.hpp"
#include "kernels/quantize/quantize.hpp"
#include "kernels/swiglu/swiglu.hpp"
#include "kernels/topk_gate/topk_gate.hpp"
#include "kernels/unpermute/unpermute.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "runtime/memory.hpp"

/// The memory of one buffer set of a layer, and its steps as kernels/ knows them.
namespace moecal::layers {

struct LayerBuffers {
  LayerBuffers(const MoeLayerSetup& setup, int set, Memory::Place place);

  [[nodiscard]] kernels::TopkGateTensors gate_tensors() const;
  [[nodiscard]] kernels::PermuteTensors permute_tensors() const;
  [[nodiscard]] kernels::QuantizeTensors first_quantize_tensors() const;
  [[nodiscard]] kernels::SwigluTensors swiglu_tensors() const;
  [[nodiscard]] kernels::QuantizeTensors second_quantize_tensors() const;
  [[nodiscard]] kernels::UnpermuteTensors unpermute_tensors() const;
  [[nodiscard]] GateTable gate_table() const;

  Memory logits, tokens, gate_up, down;                                     // in
  Memory expert_of, weight_of, counts, offsets, row_of;                     // the gate's table
  Memory rows, first_scales, projected, activated, second_scales, results;  // [rows, ...]
  Memory quantized_rows, quantized_activated;                               // FP8 only
  Memory output;
};

/// What LayerBuffers allocates beside the tokens, the weights and the output.
[[nodiscard]] Bytes bytes_between(const MoeLayerProblem& problem);

/// The shapes of the steps.
struct LayerShapes {
  explicit LayerShapes(const MoeLayerProblem& problem, std::int64_t capacity);
  kernels::TopkGateShape gate;
  kernels::PermuteShape permute;
  kernels::QuantizeShape first_quantize;
  kernels::SwigluShape swiglu;
  kernels::QuantizeShape second_quantize;
  kernels::UnpermuteShape unpermute;
};

/// What each step does on a draw, by its name.
[[nodiscard]] std::map<std::string, Work> step_works(const MoeLayerProblem& problem,
                                                     const MoeLayerRouting& routing);

}  // namespace moecal::layers
