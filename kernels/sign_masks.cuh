// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

// The tests have tests/cuda_on_cpu/include/kernels/sign_masks.cuh in place of this file.
namespace moecal::kernels {

/// All bits of each half that has its highest set, none of the other. One instruction, of which
/// CUDA's __byte_perm leaves the part out that repeats a sign.
__device__ inline unsigned sign_masks(unsigned halves) {
  unsigned masks;
  asm("prmt.b32 %0, %1, %1, 0xbb99;" : "=r"(masks) : "r"(halves));
  return masks;
}

}  // namespace moecal::kernels
