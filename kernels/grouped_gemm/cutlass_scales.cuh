// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cutlass/layout/matrix.h>
#include <cute/tensor.hpp>
#include <cutlass/detail/blockwise_scale_layout.hpp>

#include "kernels/grouped_gemm/cutlass_operands.cuh"

/// How a grouped kernel of CUTLASS comes to its operands' scales. For .cu files of CUTLASS kernels
/// only.
namespace moecal::kernels {

/// One factor for all products.
struct CutlassFactor {
  using Tokens = cutlass::layout::RowMajor*;
  using Weights = cutlass::layout::ColumnMajor*;
  template <class Config>
  using MainloopSchedule = typename Config::MainloopSchedule;

  explicit CutlassFactor(const CutlassSetup& setup) : alpha{setup.factor} {}
  template <class Arguments>
  void add_to(Arguments&) const {}
  float alpha;
};

/// An FP32 scale for each 1 x 128 of the tokens and each 128 x 128 of the weights, those of one
/// block of summed indices side by side.
struct CutlassBlocks {
  using Layouts = cutlass::detail::Sm90BlockwiseScaleConfig<1, 128, 128>;
  using TokenLayout = decltype(Layouts::deduce_layoutSFA());
  using WeightLayout = decltype(Layouts::deduce_layoutSFB());
  using Tokens = cute::tuple<cutlass::layout::RowMajor*, TokenLayout*>;
  using Weights = cute::tuple<cutlass::layout::ColumnMajor*, WeightLayout*>;
  template <class Config>
  using MainloopSchedule = typename Config::BlockMainloopSchedule;

  explicit CutlassBlocks(const CutlassSetup& setup) {
    std::vector<const float*> of_tokens, of_weights;
    std::vector<TokenLayout> of_token_layouts;
    std::vector<WeightLayout> of_weight_layouts;
    for (const auto& group : setup.groups) {
      const auto shape = cute::make_shape(static_cast<int>(group.rows), static_cast<int>(setup.n),
                                          static_cast<int>(setup.k), 1);
      of_tokens.push_back(group.token_scales);
      of_weights.push_back(group.weight_scales);
      of_token_layouts.push_back(Layouts::tile_atom_to_shape_SFA(shape));
      of_weight_layouts.push_back(Layouts::tile_atom_to_shape_SFB(shape));
    }
    tokens = device_array(of_tokens);
    weights = device_array(of_weights);
    token_layouts = device_array(of_token_layouts);
    weight_layouts = device_array(of_weight_layouts);
  }
  template <class Arguments>
  void add_to(Arguments& mainloop) const {
    mainloop.ptr_SFA = tokens.as<const float*>();
    mainloop.layout_SFA = token_layouts.as<TokenLayout>();
    mainloop.ptr_SFB = weights.as<const float*>();
    mainloop.layout_SFB = weight_layouts.as<WeightLayout>();
  }
  float alpha = 1;
  DeviceBuffer tokens, weights, token_layouts, weight_layouts;
};

}  // namespace moecal::kernels
