// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cutlass/bfloat16.h>
#include <cutlass/epilogue/thread/linear_combination.h>
#include <cutlass/gemm/device/gemm_grouped.h>
#include <cutlass/gemm/kernel/default_gemm_grouped.h>
#include <cutlass/half.h>
#include <cutlass/version.h>

#include "kernels/grouped_gemm/cutlass_operands.cuh"

namespace moecal::kernels {
namespace {

using RowMajor = cutlass::layout::RowMajor;
using ColumnMajor = cutlass::layout::ColumnMajor;
constexpr int kAlignment = 8;  // elements: 16 bytes
constexpr int kStages = 4;

template <class Element>
using GroupedKernel = typename cutlass::gemm::kernel::DefaultGemmGrouped<
    Element, RowMajor, cutlass::ComplexTransform::kNone, kAlignment, Element, ColumnMajor,
    cutlass::ComplexTransform::kNone, kAlignment, Element, RowMajor, float,
    cutlass::arch::OpClassTensorOp, cutlass::arch::Sm80, cutlass::gemm::GemmShape<128, 128, 32>,
    cutlass::gemm::GemmShape<64, 64, 32>, cutlass::gemm::GemmShape<16, 8, 16>,
    cutlass::epilogue::thread::LinearCombination<Element, kAlignment, float, float>,
    cutlass::gemm::threadblock::GemmBatchedIdentityThreadblockSwizzle, kStages,
    cutlass::gemm::kernel::GroupScheduleMode::kDeviceOnly>::GemmKernel;

template <class Element>
class Groups final : public CutlassGroups {
  using Gemm = cutlass::gemm::device::GemmGrouped<GroupedKernel<Element>>;

 public:
  explicit Groups(const CutlassSetup& setup) : operands_{setup} {
    const auto count = operands_.extents.size();
    inputs_ = device_array(std::vector<std::int64_t>(count, setup.k));
    outputs_ = device_array(std::vector<std::int64_t>(count, setup.n));
    prepare(setup.factor);
  }

  void enqueue(Stream stream) override {
    check_cutlass(gemm_.run(stream), "launching CUTLASS's grouped product");
  }
  [[nodiscard]] std::int64_t workspace_bytes() const override { return 0; }

 private:
  void prepare(float factor) {
    const auto count = static_cast<int>(operands_.extents.size());
    const int blocks = Gemm::sufficient(operands_.extents.data(), count);
    if (blocks == 0) throw Error{"CUTLASS's grouped kernel for sm_80 does not fit this device"};
    const typename Gemm::Arguments arguments{
        operands_.device_extents.as<cutlass::gemm::GemmCoord>(),
        count,
        blocks,
        {factor, 0},
        operands_.tokens.as<Element*>(),
        operands_.weights.as<Element*>(),
        operands_.results.as<Element*>(),  // the C that beta = 0 leaves unread
        operands_.results.as<Element*>(),
        inputs_.as<std::int64_t>(),
        inputs_.as<std::int64_t>(),
        outputs_.as<std::int64_t>(),
        outputs_.as<std::int64_t>(),
        operands_.extents.data()};
    check_cutlass(Gemm::can_implement(arguments), "asking CUTLASS for a grouped product");
    check_cutlass(gemm_.initialize(arguments), "preparing CUTLASS's grouped product");
  }

  CutlassOperands<cutlass::gemm::GemmCoord> operands_;
  DeviceBuffer inputs_, outputs_;  // leading dimensions of each group
  Gemm gemm_;
};

std::unique_ptr<CutlassGroups> make(const CutlassSetup& setup) {
  if (setup.type == Dtype::f16) return std::make_unique<Groups<cutlass::half_t>>(setup);
  return std::make_unique<Groups<cutlass::bfloat16_t>>(setup);
}

}  // namespace

CutlassKernel cutlass_sm80_kernel() {
  // The program holds machine code up to sm_100, and no PTX for later ones.
  constexpr int kNewest = 109;
  return {"cutlass_sm80",
          "GemmGrouped mma.sync tile=128x128x32 warp_tile=64x64x32 stages=4",
          80,
          kNewest,
          {Dtype::f16, Dtype::bf16},
          "",
          make};
}

std::string cutlass_version() {
  return std::to_string(CUTLASS_MAJOR) + "." + std::to_string(CUTLASS_MINOR) + "." +
         std::to_string(CUTLASS_PATCH);
}

}  // namespace moecal::kernels
