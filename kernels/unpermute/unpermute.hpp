// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/dtype.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// unpermute: brings the experts' rows back to token order and adds up each token's, weighted. It
/// is the other end of permute and takes the same row_of.
namespace moecal::kernels {

struct UnpermuteShape {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  std::int64_t top_k = 0;
  Dtype dtype = Dtype::bf16;  // of rows and tokens: f32, f16 or bf16
  std::int64_t dropped = 0;   // choices whose row_of is -1, for unpermute_work alone
};

/// All in device memory for unpermute_cuda, in host memory for unpermute_cpu; inputs and outputs do
/// not overlap.
struct UnpermuteTensors {
  const void* rows = nullptr;            // in: [rows, hidden], row-major, rows > every row_of
  const std::int32_t* row_of = nullptr;  // in: [tokens, top_k], row-major; -1: dropped, counts as 0
  const float* weight_of = nullptr;      // in: [tokens, top_k], row-major
  void* tokens = nullptr;  // out: [tokens, hidden], row-major; 0 where all are dropped
};

/// Every row that was not dropped read once, every token written once, row_of and weight_of read
/// once, a multiplication and an addition per element of such a row.
[[nodiscard]] Work unpermute_work(const UnpermuteShape& shape);

/// @throws InvalidInput if a size is negative, hidden exceeds 2^28, tokens x top_k does not fit
/// row_of's type or the dtype is not a floating-point one.
void check_shape(const UnpermuteShape& shape);

/// The oracle. Sums in f32 in the order of the choices, then rounds to the dtype once.
void unpermute_cpu(const UnpermuteShape& shape, const UnpermuteTensors& tensors);

/// Enqueues on `stream`, does not synchronise. Sums in the oracle's order (with fused
/// multiply-adds). Every pair of sizes and alignments is right; rows of a multiple of 16 bytes are
/// read 16 bytes at a time. @throws Error if a launch fails.
void unpermute_cuda(const UnpermuteShape& shape, const UnpermuteTensors& tensors, Stream stream);

}  // namespace moecal::kernels
