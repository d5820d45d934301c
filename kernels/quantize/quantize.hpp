// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// quantize: activations to FP8 with scales, as an FP8 product wants its operand. The scale comes
/// from the largest magnitude (amax) of the whole tensor, or of each block of 128 neighbours.
namespace moecal::kernels {

/// What shares a scale.
enum class ScaleGroups { tensor, block_1x128 };

inline constexpr std::int64_t kScaleBlock = 128;
/// An amax below it counts as it: the scale stays a normal number, and zeros need no special case.
inline constexpr float kSmallestAmax = 0x1p-100F;

struct QuantizeShape {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  Dtype from = Dtype::bf16;    // f32, f16 or bf16
  Dtype to = Dtype::fp8_e4m3;  // fp8_e4m3 or fp8_e5m2
  ScaleGroups groups = ScaleGroups::tensor;
  std::int64_t row_groups = 0;  // of block_1x128: runs of rows, as experts have; 0: all are one
};

/// All in device memory for quantize_cuda, in host memory for quantize_cpu.
struct QuantizeTensors {
  const void* values = nullptr;  // in: [tokens, hidden], row-major
  void* quantized = nullptr;     // out: [tokens, hidden], row-major; value = quantized x scale
  float* scales = nullptr;  // out: tensor: [1]; block_1x128: [blocks of a row, tokens], so that
                            // the scales of one block of columns lie side by side. With row
                            // groups each has such an array of its own, one after the other
  const std::int64_t* row_offsets = nullptr;  // in, with row groups: [row_groups + 1] first row of
                                              // each, ascending from 0, then the first that is of
                                              // none; those from it on make one more
};

// A scale is amax / (largest value of `to`). Infinities and NaNs do not count for amax: an infinity
// becomes the largest value, NaN stays NaN, and their neighbours keep their accuracy.

/// Blocks of a row: hidden / 128, rounded up.
[[nodiscard]] std::int64_t blocks_of_row(const QuantizeShape& shape);
/// Scales that a tensor has.
[[nodiscard]] std::int64_t scale_count(const QuantizeShape& shape);

/// Values read once, FP8 and scales written once. (With one scale per tensor, a tensor larger than
/// the cache has to come from memory twice: the scale is known only after all of it was seen.)
[[nodiscard]] Work quantize_work(const QuantizeShape& shape);

/// @throws InvalidInput if a size is negative, a dtype is none of those above, or one scale has row
/// groups.
void check_shape(const QuantizeShape& shape);

/// The oracle.
void quantize_cpu(const QuantizeShape& shape, const QuantizeTensors& tensors);

/// Device memory that quantize_cuda needs beside its tensors, in bytes.
[[nodiscard]] std::size_t quantize_cuda_workspace(const QuantizeShape& shape);

/// Enqueues one kernel (tensor: two) on `stream`, does not synchronise. The same bits as the
/// oracle's but for NaN's sign. Every pair of sizes and alignments is right; where tensors are
/// aligned to 16 bytes (block_1x128: rows too) memory is accessed 16 bytes at a time.
/// @throws Error if a launch fails.
void quantize_cuda(const QuantizeShape& shape, const QuantizeTensors& tensors, void* workspace,
                   Stream stream);

}  // namespace moecal::kernels
