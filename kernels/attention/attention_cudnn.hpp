// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/cudnn_graph.hpp"

/// Attention fused by cuDNN: no scores in memory. Only in builds with cuDNN's headers.
namespace moecal::kernels {

/// Plans that are tried of a shape. Of a long sequence the heuristic names two, of a short one four
/// or five; each takes a third of a second to compile.
inline constexpr int kMostCudnnPlans = 2;

/// What plans attentions on that CUDA device: the current one. What it has planned stays.
/// @throws Unsupported if cuDNN cannot be loaded, with what to install.
[[nodiscard]] std::unique_ptr<CudnnPlanner> make_attention_planner(int device);

/// f16 and bf16, FP32 sums: one kernel (and one that clears its counters); of the plans that
/// cuDNN's heuristic names first the fastest is used. The planner outlives it.
/// @throws Unsupported as CudnnPlanner::graph_of.
[[nodiscard]] std::unique_ptr<Attention> make_attention_cudnn(const AttentionSetup& setup,
                                                              CudnnPlanner& planner);

}  // namespace moecal::kernels
