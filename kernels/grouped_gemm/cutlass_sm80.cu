// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cutlass/bfloat16.h>
#include <cutlass/epilogue/thread/linear_combination.h>
#include <cutlass/gemm/device/gemm_grouped.h>
#include <cutlass/gemm/kernel/default_gemm_grouped.h>
#include <cutlass/half.h>
#include <cutlass/version.h>

#include "kernels/grouped_gemm/cutlass_check.cuh"
#include "kernels/grouped_gemm/cutlass_groups.hpp"
#include "runtime/buffer.hpp"

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

template <class T>
DeviceBuffer on_device(const std::vector<T>& values) {
  return to_device(std::span<const T>{values});
}

template <class Element>
class Groups final : public CutlassGroups {
  using Gemm = cutlass::gemm::device::GemmGrouped<GroupedKernel<Element>>;

 public:
  explicit Groups(const CutlassSetup& setup) {
    std::vector<void*> tokens, weights, results;
    for (const auto& group : setup.groups) {
      extents_.push_back(
          {static_cast<int>(group.rows), static_cast<int>(setup.n), static_cast<int>(setup.k)});
      tokens.push_back(const_cast<void*>(group.tokens));
      weights.push_back(const_cast<void*>(group.weights));
      results.push_back(group.result);
    }
    const auto count = extents_.size();
    device_extents_ = on_device(extents_);
    tokens_ = on_device(tokens);
    weights_ = on_device(weights);
    results_ = on_device(results);
    inputs_ = on_device(std::vector<std::int64_t>(count, setup.k));
    outputs_ = on_device(std::vector<std::int64_t>(count, setup.n));
    prepare(setup.factor);
  }

  void enqueue(Stream stream) override {
    check_cutlass(gemm_.run(stream), "launching CUTLASS's grouped product");
  }
  [[nodiscard]] std::int64_t workspace_bytes() const override { return 0; }

 private:
  void prepare(float factor) {
    const auto count = static_cast<int>(extents_.size());
    const int blocks = Gemm::sufficient(extents_.data(), count);
    if (blocks == 0) throw Error{"CUTLASS's grouped kernel for sm_80 does not fit this device"};
    const typename Gemm::Arguments arguments{
        device_extents_.as<cutlass::gemm::GemmCoord>(),
        count,
        blocks,
        {factor, 0},
        tokens_.as<Element*>(),
        weights_.as<Element*>(),
        results_.as<Element*>(),  // the C that beta = 0 leaves unread
        results_.as<Element*>(),
        inputs_.as<std::int64_t>(),
        inputs_.as<std::int64_t>(),
        outputs_.as<std::int64_t>(),
        outputs_.as<std::int64_t>(),
        extents_.data()};
    check_cutlass(Gemm::can_implement(arguments), "asking CUTLASS for a grouped product");
    check_cutlass(gemm_.initialize(arguments), "preparing CUTLASS's grouped product");
  }

  std::vector<cutlass::gemm::GemmCoord> extents_;
  DeviceBuffer device_extents_, tokens_, weights_, results_, inputs_, outputs_;
  Gemm gemm_;
};

std::unique_ptr<CutlassGroups> make(const CutlassSetup& setup) {
  if (setup.type == Dtype::f16) return std::make_unique<Groups<cutlass::half_t>>(setup);
  return std::make_unique<Groups<cutlass::bfloat16_t>>(setup);
}

}  // namespace

CutlassKernel cutlass_sm80_kernel() {
  constexpr int kNewest = 999;
  return {"cutlass_sm80",
          "GemmGrouped mma.sync tile=128x128x32 warp_tile=64x64x32 stages=4",
          80,
          kNewest,
          {Dtype::f16, Dtype::bf16},
          make};
}

std::string cutlass_version() {
  return std::to_string(CUTLASS_MAJOR) + "." + std::to_string(CUTLASS_MINOR) + "." +
         std::to_string(CUTLASS_PATCH);
}

}  // namespace moecal::kernels
