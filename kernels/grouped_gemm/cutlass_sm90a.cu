// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cutlass/bfloat16.h>
#include <cutlass/float8.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/group_array_problem_shape.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include "kernels/grouped_gemm/cutlass_check.cuh"
#include "kernels/grouped_gemm/cutlass_groups.hpp"
#include "runtime/buffer.hpp"

namespace moecal::kernels {
namespace {

using Shape3 = cute::Shape<int, int, int>;  // rows, n, k of a group
using ProblemShape = cutlass::gemm::GroupProblemShape<Shape3>;
using Result = cutlass::bfloat16_t;
using TileShape = cute::Shape<cute::_128, cute::_128, cute::_128>;
using ClusterShape = cute::Shape<cute::_2, cute::_1, cute::_1>;
using RowMajor = cutlass::layout::RowMajor;
using ColumnMajor = cutlass::layout::ColumnMajor;
using Arch = cutlass::arch::Sm90;
using TensorOp = cutlass::arch::OpClassTensorOp;

// Not the FP8FastAccum schedule: sums are promoted to FP32 as cuBLASLt is asked to do it.
using MainloopSchedule = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperative;
using EpilogueSchedule = cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative;

template <class Element>
inline constexpr int kAlignment = 128 / cutlass::sizeof_bits<Element>::value;

using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
    Arch, TensorOp, TileShape, ClusterShape, cutlass::epilogue::collective::EpilogueTileAuto, float,
    float, void, RowMajor*, kAlignment<Result>, Result, RowMajor*, kAlignment<Result>,
    EpilogueSchedule, cutlass::epilogue::fusion::LinearCombination<Result, float>>::CollectiveOp;

template <class Element>
using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
    Arch, TensorOp, Element, RowMajor*, kAlignment<Element>, Element, ColumnMajor*,
    kAlignment<Element>, float, TileShape, ClusterShape,
    cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
        sizeof(typename Epilogue::SharedStorage))>,
    MainloopSchedule>::CollectiveOp;

template <class Element>
using Kernel = cutlass::gemm::kernel::GemmUniversal<ProblemShape, Mainloop<Element>, Epilogue>;

template <class T>
DeviceBuffer on_device(const std::vector<T>& values) {
  return to_device(std::span<const T>{values});
}

template <class Element>
class Groups final : public CutlassGroups {
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel<Element>>;
  using StrideA = typename Gemm::GemmKernel::InternalStrideA;
  using StrideB = typename Gemm::GemmKernel::InternalStrideB;
  using StrideD = typename Gemm::GemmKernel::InternalStrideD;

 public:
  explicit Groups(const CutlassSetup& setup) {
    std::vector<const void*> tokens, weights;
    std::vector<void*> results;
    for (const auto& group : setup.groups) {
      extents_.push_back(
          {static_cast<int>(group.rows), static_cast<int>(setup.n), static_cast<int>(setup.k)});
      tokens.push_back(group.tokens);
      weights.push_back(group.weights);
      results.push_back(group.result);
    }
    const auto count = extents_.size();
    device_extents_ = on_device(extents_);
    tokens_ = on_device(tokens);
    weights_ = on_device(weights);
    results_ = on_device(results);
    token_strides_ = on_device(std::vector<StrideA>(count, StrideA{setup.k, {}, {}}));
    weight_strides_ = on_device(std::vector<StrideB>(count, StrideB{setup.k, {}, {}}));
    result_strides_ = on_device(std::vector<StrideD>(count, StrideD{setup.n, {}, {}}));
    prepare(setup.factor);
  }

  void enqueue(Stream stream) override {
    check_cutlass(gemm_.run(stream), "launching CUTLASS's grouped product");
  }
  [[nodiscard]] std::int64_t workspace_bytes() const override {
    return static_cast<std::int64_t>(workspace_.size());
  }

 private:
  void prepare(float factor) {
    cutlass::KernelHardwareInfo hardware;
    check(cudaGetDevice(&hardware.device_id), "asking for the current device");
    hardware.sm_count =
        cutlass::KernelHardwareInfo::query_device_multiprocessor_count(hardware.device_id);
    typename Gemm::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGrouped,
        {static_cast<int>(extents_.size()), device_extents_.template as<Shape3>(), extents_.data()},
        {tokens_.template as<const Element*>(), token_strides_.template as<StrideA>(),
         weights_.template as<const Element*>(), weight_strides_.template as<StrideB>()},
        {{},
         nullptr,
         nullptr,
         results_.template as<Result*>(),
         result_strides_.template as<StrideD>()},
        hardware};
    arguments.epilogue.thread.alpha = factor;
    arguments.epilogue.thread.beta = 0;
    check_cutlass(Gemm::can_implement(arguments), "asking CUTLASS for a grouped product");
    workspace_ = DeviceBuffer{Gemm::get_workspace_size(arguments)};
    check_cutlass(gemm_.initialize(arguments, workspace_.data()),
                  "preparing CUTLASS's grouped product");
    check(cudaDeviceSynchronize(), "preparing CUTLASS's grouped product");
  }

  std::vector<Shape3> extents_;
  DeviceBuffer device_extents_, tokens_, weights_, results_;
  DeviceBuffer token_strides_, weight_strides_, result_strides_, workspace_;
  Gemm gemm_;
};

std::unique_ptr<CutlassGroups> make(const CutlassSetup& setup) {
  if (setup.type == Dtype::fp8_e4m3) return std::make_unique<Groups<cutlass::float_e4m3_t>>(setup);
  throw Unsupported{"CUTLASS's grouped kernel for sm_90a is built for fp8_e4m3 alone"};
}

}  // namespace

CutlassKernel cutlass_sm90a_kernel() {
  return {"cutlass_sm90a",
          "KernelPtrArrayTmaWarpSpecializedCooperative tile=128x128x128 cluster=2x1x1",
          90,
          90,
          {Dtype::fp8_e4m3},
          make};
}

}  // namespace moecal::kernels
