// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/moe_layer/layer_buffers.hpp"

#include <numeric>
#include <span>

namespace moecal::layers {
namespace {

std::size_t bytes_of(std::int64_t elements, Dtype dtype) {
  return static_cast<std::size_t>(elements * size_of(dtype));
}

struct Sizes {
  explicit Sizes(const MoeLayerProblem& problem)
      : choices{problem.tokens * problem.top_k},
        rows{choices + problem.experts * (kernels::token_multiple(problem.scale_mode) - 1)},
        hidden{rows * problem.hidden},
        inter{rows * problem.inter} {}
  std::int64_t choices;
  std::int64_t rows;    // of choices, and as much padding as experts can have
  std::int64_t hidden;  // elements of [rows, hidden]
  std::int64_t inter;   // elements of [rows, inter]
};

std::size_t if_fp8(const MoeLayerProblem& problem, std::int64_t elements) {
  return problem.quantizes() ? static_cast<std::size_t>(elements) : 0;
}

kernels::QuantizeShape quantize_shape(const MoeLayerProblem& problem, std::int64_t columns) {
  const bool blocks = problem.scale_mode == "block_128x128";
  return {Sizes{problem}.rows,
          columns,
          problem.values,
          Dtype::fp8_e4m3,
          blocks ? kernels::ScaleGroups::block_1x128 : kernels::ScaleGroups::tensor,
          blocks ? problem.experts : 0};
}
std::size_t scale_bytes(const MoeLayerProblem& problem, std::int64_t columns) {
  return static_cast<std::size_t>(scale_count(quantize_shape(problem, columns))) * sizeof(float);
}

}  // namespace

LayerBuffers::LayerBuffers(const MoeLayerSetup& setup, int set, Memory::Place place)
    : logits{Memory::of(place, setup.routing.at(static_cast<std::size_t>(set)).logits)},
      tokens{Memory::of(place, setup.data.tokens.data)},
      gate_up{Memory::of(place, setup.data.gate_up.data)},
      down{Memory::of(place, setup.data.down.data)},
      expert_of{place, bytes_of(Sizes{setup.problem}.choices, Dtype::int32)},
      weight_of{place, bytes_of(Sizes{setup.problem}.choices, Dtype::f32)},
      counts{place, static_cast<std::size_t>(setup.problem.experts) * sizeof(std::int64_t)},
      offsets{place, static_cast<std::size_t>(setup.problem.experts + 1) * sizeof(std::int64_t)},
      row_of{place, bytes_of(Sizes{setup.problem}.choices, Dtype::int32)},
      rows{place, bytes_of(Sizes{setup.problem}.hidden, setup.problem.values)},
      first_scales{place, scale_bytes(setup.problem, setup.problem.hidden)},
      projected{place, bytes_of(2 * Sizes{setup.problem}.inter, setup.problem.values)},
      activated{place, bytes_of(Sizes{setup.problem}.inter, setup.problem.values)},
      second_scales{place, scale_bytes(setup.problem, setup.problem.inter)},
      results{place, bytes_of(Sizes{setup.problem}.hidden, setup.problem.values)},
      quantized_rows{place, if_fp8(setup.problem, Sizes{setup.problem}.hidden)},
      quantized_activated{place, if_fp8(setup.problem, Sizes{setup.problem}.inter)},
      output{place, bytes_of(setup.problem.tokens * setup.problem.hidden, setup.problem.values)} {}

Bytes bytes_between(const MoeLayerProblem& problem) {
  const Sizes sizes{problem};
  const std::int64_t value = size_of(problem.values);
  const std::int64_t table = sizes.choices * 12 + (2 * problem.experts + 1) * 8;
  const std::int64_t values =
      2 * sizes.hidden + 3 * sizes.inter;  // rows, results; gates, ups, both
  const std::size_t quantized = if_fp8(problem, sizes.hidden) + if_fp8(problem, sizes.inter) +
                                scale_bytes(problem, problem.hidden) +
                                scale_bytes(problem, problem.inter);
  return Bytes{static_cast<double>(problem.tokens * problem.experts * value + table) +
               static_cast<double>(values * value) + static_cast<double>(quantized)};
}

kernels::TopkGateTensors LayerBuffers::gate_tensors() const {
  return {logits.as<void>(),         expert_of.as<std::int32_t>(), weight_of.as<float>(),
          counts.as<std::int64_t>(), offsets.as<std::int64_t>(),   row_of.as<std::int32_t>()};
}
kernels::PermuteTensors LayerBuffers::permute_tensors() const {
  return {tokens.as<void>(), row_of.as<std::int32_t>(), rows.as<void>()};
}
kernels::QuantizeTensors LayerBuffers::first_quantize_tensors() const {
  return {rows.as<void>(), quantized_rows.as<void>(), first_scales.as<float>(),
          offsets.as<std::int64_t>()};
}
kernels::SwigluTensors LayerBuffers::swiglu_tensors() const {
  return {projected.as<void>(), activated.as<void>()};
}
kernels::QuantizeTensors LayerBuffers::second_quantize_tensors() const {
  return {activated.as<void>(), quantized_activated.as<void>(), second_scales.as<float>(),
          offsets.as<std::int64_t>()};
}
kernels::UnpermuteTensors LayerBuffers::unpermute_tensors() const {
  return {results.as<void>(), row_of.as<std::int32_t>(), weight_of.as<float>(), output.as<void>()};
}

GateTable LayerBuffers::gate_table() const {
  return {counts.to_host<std::int64_t>(), offsets.to_host<std::int64_t>(),
          row_of.to_host<std::int32_t>()};
}

// Rows that a capacity drops are not there, nor is all padding that there can be: the buffers' last
// rows stay zeros and are quantized and activated as such, as a layer of fixed buffers does.
LayerShapes::LayerShapes(const MoeLayerProblem& problem, std::int64_t capacity)
    : gate{.tokens = problem.tokens,
           .experts = problem.experts,
           .top_k = problem.top_k,
           .capacity = capacity,
           .dtype = problem.values,
           .row_multiple = kernels::token_multiple(problem.scale_mode)},
      permute{problem.tokens, problem.hidden, problem.top_k, problem.values},
      first_quantize{quantize_shape(problem, problem.hidden)},
      swiglu{Sizes{problem}.rows, problem.inter, problem.values, problem.values},
      second_quantize{quantize_shape(problem, problem.inter)},
      unpermute{problem.tokens, problem.hidden, problem.top_k, problem.values} {}

std::map<std::string, Work> step_works(const MoeLayerProblem& problem,
                                       const MoeLayerRouting& routing) {
  LayerShapes shapes{problem, routing.capacity};
  const auto rows = routing.expert_rows();
  const std::int64_t choices = problem.tokens * problem.top_k;
  shapes.permute.dropped = shapes.unpermute.dropped =
      choices - std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  // What a buffer has beyond the choices is padding.
  shapes.first_quantize.tokens = shapes.swiglu.tokens = shapes.second_quantize.tokens = choices;
  return {{"gate", topk_gate_work(shapes.gate)},
          {"permute", permute_work(shapes.permute)},
          {"quantize_1", quantize_work(shapes.first_quantize)},
          {"gemm_1", grouped_gemm_work(first_product(problem), rows)},
          {"swiglu", swiglu_work(shapes.swiglu)},
          {"quantize_2", quantize_work(shapes.second_quantize)},
          {"gemm_2", grouped_gemm_work(second_product(problem), rows)},
          {"unpermute", unpermute_work(shapes.unpermute)}};
}

}  // namespace moecal::layers
