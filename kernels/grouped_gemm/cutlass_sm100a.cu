// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cutlass_ptr_array.cuh"

namespace moecal::kernels {
namespace {

struct Blackwell {
  using Arch = cutlass::arch::Sm100;
  using TileRows = cute::_128;
  using TileColumns = cute::_256;
  using ClusterShape = cute::Shape<cute::_1, cute::_1, cute::_1>;
  using MainloopSchedule = cutlass::gemm::KernelPtrArrayTmaWarpSpecialized1SmSm100;
  using EpilogueSchedule = cutlass::epilogue::PtrArrayTmaWarpSpecialized1Sm;
};

}  // namespace

CutlassKernel cutlass_sm100a_kernel() {
  return ptr_array_kernel<Blackwell>(
      "cutlass_sm100a", "KernelPtrArrayTmaWarpSpecialized1SmSm100 tile=128x256x128B cluster=1x1x1",
      100);
}

}  // namespace moecal::kernels
