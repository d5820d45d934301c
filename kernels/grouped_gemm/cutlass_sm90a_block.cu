// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cutlass_ptr_array.cuh"

namespace moecal::kernels {
namespace {

// Sums of 128 products are scaled and added to FP32 ones outside of the tensor cores. Two groups of
// warps share a tile, so that both sums fit into registers.
struct Hopper {
  using Arch = cutlass::arch::Sm90;
  using TileRows = cute::_128;
  using TileColumns = cute::_128;
  using ClusterShape = cute::Shape<cute::_1, cute::_2, cute::_1>;
  using BlockMainloopSchedule =
      cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperativeFP8Blockwise;
  using EpilogueSchedule = cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative;
};

std::unique_ptr<CutlassGroups> make(const CutlassSetup& setup) {
  return std::make_unique<
      CutlassPtrArrayGroups<Hopper, CutlassBlocks, cutlass::float_e4m3_t, cutlass::bfloat16_t>>(
      setup);
}

}  // namespace

CutlassKernel cutlass_sm90a_block_kernel() {
  return {"cutlass_sm90a",
          "KernelPtrArrayTmaWarpSpecializedCooperativeFP8Blockwise tile=128x128x128B cluster=1x2x1",
          90,
          90,
          {Dtype::fp8_e4m3},
          "block_128x128",
          make};
}

}  // namespace moecal::kernels
