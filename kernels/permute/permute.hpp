// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/dtype.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// permute: copies every token's row to each of the top_k places it has in expert order, so that an
/// expert finds its rows side by side. The places come from topk_gate (or from any stable sort).
/// Optionally it casts on the way, as quantize would: what then crosses memory top_k times is FP8.
namespace moecal::kernels {

struct PermuteShape {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  std::int64_t top_k = 0;
  Dtype dtype = Dtype::bf16;  // rows are moved as bytes: only its size matters
  bool to_fp8 =
      false;  // f32, f16 and bf16 only: rows become fp8_e4m3 with a scale per block of 128
  std::int64_t dropped = 0;  // choices whose row_of is -1, for permute_work alone
};

/// All in device memory for permute_cuda, in host memory for permute_cpu; inputs and outputs do not
/// overlap.
struct PermuteTensors {
  const void* tokens = nullptr;          // in: [tokens, hidden], row-major
  const std::int32_t* row_of = nullptr;  // in: [tokens, top_k], row-major: the row of `rows` that
                                         // each choice goes to, all different; -1: dropped, it goes
                                         // nowhere
  void* rows = nullptr;  // out: [rows, hidden], row-major, rows > every row_of; rows that no choice
                         // names are not written
  float* scales = nullptr;  // out, to_fp8: [blocks of a row, tokens x top_k], as quantize's
};

/// Scales that the rows have; 0 unless they are FP8.
[[nodiscard]] std::int64_t scale_count(const PermuteShape& shape);

/// Every token read once, every row (and its scales) that was not dropped written once, row_of read
/// once.
[[nodiscard]] Work permute_work(const PermuteShape& shape);

/// @throws InvalidInput if a size is negative, hidden exceeds 2^28, tokens x top_k does not fit
/// row_of's type, or a dtype that is no floating-point number is to become FP8.
void check_shape(const PermuteShape& shape);

/// The oracle.
void permute_cpu(const PermuteShape& shape, const PermuteTensors& tensors);

/// Enqueues on `stream`, does not synchronise. Every pair of sizes and alignments is right; rows of
/// a multiple of 16 bytes are moved 16 bytes at a time. @throws Error if a launch fails.
void permute_cuda(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream);

}  // namespace moecal::kernels
