// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// topk_gate: from router logits to a routing table. For every token the top_k most probable
/// experts with their weights; for every expert its row count; for every choice its row in expert
/// order. The GEMM that makes the logits is an expert_gemm.
namespace moecal::kernels {

/// What turns a logit into the score that weights are made of. Both are monotonic: which experts
/// are chosen does not depend on it.
enum class GateScores { softmax, sigmoid };

struct TopkGateShape {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::int64_t capacity = 0;  // rows an expert takes at most; 0: no limit
  Dtype dtype = Dtype::f32;   // of the logits: f32, f16 or bf16
  GateScores scores = GateScores::softmax;
  std::int64_t row_multiple = 1;  // an expert's first row is a multiple of it
};

/// All in device memory for topk_gate_cuda, in host memory for topk_gate_cpu.
struct TopkGateTensors {
  const void* logits = nullptr;       // in: [tokens, experts], row-major
  std::int32_t* expert_of = nullptr;  // out: [tokens, top_k], row-major, most probable first; among
                                      // equals the lower expert
  float* weight_of = nullptr;  // out: [tokens, top_k], row-major: the scores (softmax over all
                               // experts, or sigmoid) of the chosen, scaled to sum to 1; 0 where
                               // every sigmoid of a token is
  std::int64_t* counts = nullptr;   // out: [experts] choices of each expert, capacity disregarded
  std::int64_t* offsets = nullptr;  // out: [experts + 1] first row of each expert, then the number
                                    // of rows: exclusive sum of min(count, capacity), each to
                                    // the next row_multiple
  std::int32_t* row_of = nullptr;   // out: [tokens, top_k], row-major: rows sorted by expert, then
                                    // by token; -1 where the expert's capacity is used up
};

// Logits that are no ordinary numbers: +infinity is chosen first and weighs as the largest float;
// -infinity and NaN count as the lowest, so a NaN is chosen only when there is nothing better.
// Weights are always finite.

/// Logits read once, each output written once. No FLOPs: the gate moves memory.
[[nodiscard]] Work topk_gate_work(const TopkGateShape& shape);
/// Of its two parts (choose_experts_cuda, sort_choices_cuda), each by itself.
[[nodiscard]] Work choose_experts_work(const TopkGateShape& shape);
[[nodiscard]] Work sort_choices_work(const TopkGateShape& shape);

/// @throws InvalidInput if not 1 <= top_k <= experts, a size is negative, row_multiple is not
/// positive, tokens x top_k with the padding that row_multiple can add does not fit row_of's type,
/// or the dtype is not a floating-point one.
void check_shape(const TopkGateShape& shape);

/// The oracle.
void topk_gate_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors);
/// Its two halves, as choose_experts_cuda and sort_choices_cuda are of topk_gate_cuda.
void choose_experts_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors);
void sort_choices_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors);

/// Device memory that topk_gate_cuda needs beside its tensors, in bytes.
[[nodiscard]] std::size_t topk_gate_cuda_workspace(const TopkGateShape& shape);

/// Enqueues four kernels on `stream`, does not synchronise. The same logits always give the same
/// table: no rank depends on the order in which threads run. @throws Unsupported for more than 512
/// experts, Error if a launch fails.
void topk_gate_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors, void* workspace,
                    Stream stream);

/// The first of those kernels, scores and top_k, and the other three, which sort the choices: each
/// the same work as in topk_gate_cuda. The second needs what the first left in expert_of.
void choose_experts_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors, Stream stream);
void sort_choices_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors, void* workspace,
                       Stream stream);

/// How a benchmark makes new logits of a pool of them between samples: row i of `to` is row
/// sources[i] of `from`.
struct GatheredRows {
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;             // even
  const void* from = nullptr;             // [any, row_bytes]
  const std::int32_t* sources = nullptr;  // [rows]
  void* to = nullptr;                     // [rows, row_bytes]
};
/// The oracle.
void gather_rows_cpu(const GatheredRows& rows);
/// On the default stream, and waits for it: never timed. @throws Error if it fails.
void gather_rows_cuda(const GatheredRows& rows);

}  // namespace moecal::kernels
