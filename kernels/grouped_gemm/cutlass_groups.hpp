// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "runtime/stream.hpp"

/// CUTLASS's grouped kernels behind one interface without its headers: each is compiled in a file
/// of its own, for its architecture only.
namespace moecal::kernels {

/// One group that has rows: C [rows, n] = factor A [rows, k] B [n, k]^T, row-major device memory
/// that starts at multiples of 16 bytes. With scales per block: [ceil(k / 128), rows] of the
/// tokens, [ceil(k / 128), ceil(n / 128)] of the weights.
struct CutlassGroup {
  std::int64_t rows = 0;
  const void* weights = nullptr;  // B
  const void* tokens = nullptr;   // A
  void* result = nullptr;         // C
  const float* weight_scales = nullptr;
  const float* token_scales = nullptr;
};

struct CutlassSetup {
  const std::vector<CutlassGroup>& groups;  // at least one
  std::int64_t n = 0;
  std::int64_t k = 0;
  float factor = 1;
  Dtype type = Dtype::bf16;  // of A and B
};

/// Groups that a kernel was prepared for.
class CutlassGroups {
 public:
  virtual ~CutlassGroups() = default;
  /// Enqueues all products, does not synchronise. @throws Error
  virtual void enqueue(Stream stream) = 0;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
};

/// What a kernel is and what it does.
struct CutlassKernel {
  std::string implementation;  // the word in records: cutlass_sm90a
  std::string description;     // tile and schedule
  int least_capability = 0;    // compute capability, major * 10 + minor
  int most_capability = 0;
  std::vector<Dtype> types;  // of A and B; C is bf16, or f16 for f16
  std::string scale_mode;    // of FP8
  std::unique_ptr<CutlassGroups> (*make)(const CutlassSetup& setup) = nullptr;
};

/// mma.sync with cp.async: f16 and bf16 on every card since A100.
[[nodiscard]] CutlassKernel cutlass_sm80_kernel();
/// TMA and wgmma, warp-specialised: FP8 (E4M3), f16 and bf16 on Hopper alone.
[[nodiscard]] CutlassKernel cutlass_sm90a_kernel();
/// FP8 on Hopper with scale mode block_128x128: the same implementation, another kernel.
[[nodiscard]] CutlassKernel cutlass_sm90a_block_kernel();
/// TMA and tcgen05, warp-specialised: FP8 (E4M3), f16 and bf16 on B200 alone.
[[nodiscard]] CutlassKernel cutlass_sm100a_kernel();

/// Of the headers: "4.2.0".
[[nodiscard]] std::string cutlass_version();

}  // namespace moecal::kernels
