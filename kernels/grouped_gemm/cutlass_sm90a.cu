// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cutlass_ptr_array.cuh"

namespace moecal::kernels {
namespace {

// Not the FP8FastAccum schedule: sums are promoted to FP32 as cuBLASLt is asked to do it. Two
// groups of warps share a tile, so that both sums fit into registers.
struct Hopper {
  using Arch = cutlass::arch::Sm90;
  using TileRows = cute::_128;
  using TileColumns = cute::_128;
  using ClusterShape = cute::Shape<cute::_2, cute::_1, cute::_1>;
  using MainloopSchedule = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperative;
  using EpilogueSchedule = cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative;
};

}  // namespace

CutlassKernel cutlass_sm90a_kernel() {
  return ptr_array_kernel<Hopper>(
      "cutlass_sm90a",
      "KernelPtrArrayTmaWarpSpecializedCooperative tile=128x128x128B cluster=2x1x1", 90);
}

}  // namespace moecal::kernels
