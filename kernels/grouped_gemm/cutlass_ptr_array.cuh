// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
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

/// CUTLASS's warp-specialised kernels over arrays of pointers, FP8 (E4M3) to bf16. For .cu files of
/// one architecture.
namespace moecal::kernels {

using CutlassShape = cute::Shape<int, int, int>;  // rows, n, k of a group

/// A Config names Arch, TileShape, ClusterShape, MainloopSchedule and EpilogueSchedule.
template <class Config>
struct CutlassPtrArray {
  using Element = cutlass::float_e4m3_t;
  using Result = cutlass::bfloat16_t;
  using RowMajor = cutlass::layout::RowMajor;
  using ColumnMajor = cutlass::layout::ColumnMajor;
  using TensorOp = cutlass::arch::OpClassTensorOp;
  template <class T>
  static constexpr int kAlignment = 128 / cutlass::sizeof_bits<T>::value;

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      typename Config::Arch, TensorOp, typename Config::TileShape, typename Config::ClusterShape,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, void, RowMajor*,
      kAlignment<Result>, Result, RowMajor*, kAlignment<Result>, typename Config::EpilogueSchedule,
      cutlass::epilogue::fusion::LinearCombination<Result, float>>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      typename Config::Arch, TensorOp, Element, RowMajor*, kAlignment<Element>, Element,
      ColumnMajor*, kAlignment<Element>, float, typename Config::TileShape,
      typename Config::ClusterShape,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      typename Config::MainloopSchedule>::CollectiveOp;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<cutlass::gemm::kernel::GemmUniversal<
      cutlass::gemm::GroupProblemShape<CutlassShape>, Mainloop, Epilogue>>;
};

template <class T>
[[nodiscard]] DeviceBuffer cutlass_array(const std::vector<T>& values) {
  return to_device(std::span<const T>{values});
}

template <class Config>
class CutlassPtrArrayGroups final : public CutlassGroups {
  using Gemm = typename CutlassPtrArray<Config>::Gemm;
  using Element = typename CutlassPtrArray<Config>::Element;
  using Result = typename CutlassPtrArray<Config>::Result;
  using StrideA = typename Gemm::GemmKernel::InternalStrideA;
  using StrideB = typename Gemm::GemmKernel::InternalStrideB;
  using StrideD = typename Gemm::GemmKernel::InternalStrideD;

 public:
  explicit CutlassPtrArrayGroups(const CutlassSetup& setup) {
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
    device_extents_ = cutlass_array(extents_);
    tokens_ = cutlass_array(tokens);
    weights_ = cutlass_array(weights);
    results_ = cutlass_array(results);
    token_strides_ = cutlass_array(std::vector<StrideA>(count, StrideA{setup.k, {}, {}}));
    weight_strides_ = cutlass_array(std::vector<StrideB>(count, StrideB{setup.k, {}, {}}));
    result_strides_ = cutlass_array(std::vector<StrideD>(count, StrideD{setup.n, {}, {}}));
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
        {static_cast<int>(extents_.size()), device_extents_.template as<CutlassShape>(),
         extents_.data()},
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

  std::vector<CutlassShape> extents_;
  DeviceBuffer device_extents_, tokens_, weights_, results_;
  DeviceBuffer token_strides_, weight_strides_, result_strides_, workspace_;
  Gemm gemm_;
};

}  // namespace moecal::kernels
