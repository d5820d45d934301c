// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/dtype.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// swiglu: the activation between an expert's two products, silu(gate) x up with silu(x) =
/// x / (1 + exp(-x)). Optionally it writes FP8 with a scale per block of 128 neighbours, as
/// quantize does, so that the second product's operand crosses memory once.
namespace moecal::kernels {

struct SwigluShape {
  std::int64_t tokens = 0;  // rows
  std::int64_t inner = 0;   // elements of a result's row; of an input's row there are twice as many
  Dtype from = Dtype::bf16;  // f32, f16 or bf16
  Dtype to = Dtype::bf16;    // the same, or fp8_e4m3 with scales
};

/// All in device memory for swiglu_cuda, in host memory for swiglu_cpu; they do not overlap.
struct SwigluTensors {
  const void* gate_up = nullptr;  // in: [tokens, 2 x inner], row-major: the gates, then the ups
  void* activated = nullptr;      // out: [tokens, inner], row-major
  float* scales = nullptr;        // out, for fp8_e4m3: [blocks of a row, tokens], as quantize's
};

/// Scales that a result has; 0 unless it is fp8_e4m3.
[[nodiscard]] std::int64_t scale_count(const SwigluShape& shape);

/// Gates and ups read once, results and scales written once; five operations per result (exp,
/// addition, division, two multiplications).
[[nodiscard]] Work swiglu_work(const SwigluShape& shape);

/// @throws InvalidInput if a size is negative or the dtypes are none of those above.
void check_shape(const SwigluShape& shape);

/// The oracle. Computes in f32 and rounds once.
void swiglu_cpu(const SwigluShape& shape, const SwigluTensors& tensors);

/// Enqueues on `stream`, does not synchronise. silu differs from the exact one by 5 + 1.2 |gate|
/// units in the last place of f32, less than a rounding to 16 bits for gates down to -87.3; below,
/// where it is less than 2^-119, it is 0. Every pair of sizes and alignments is right; rows of a
/// multiple of 16 elements that start at a multiple of 16 bytes are accessed 16 bytes at a time.
/// @throws Error if a launch fails.
void swiglu_cuda(const SwigluShape& shape, const SwigluTensors& tensors, Stream stream);

}  // namespace moecal::kernels
