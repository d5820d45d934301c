// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cutlass/bfloat16.h>
#include <cutlass/float8.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/half.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/group_array_problem_shape.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include "kernels/grouped_gemm/cutlass_scales.cuh"

/// CUTLASS's warp-specialised kernels over arrays of pointers: FP8 (E4M3) to bf16, bf16 and f16 to
/// their own type. For .cu files of one architecture.
namespace moecal::kernels {

using CutlassShape = cute::Shape<int, int, int>;  // rows, n, k of a group

/// A Config names Arch, TileRows, TileColumns, ClusterShape, MainloopSchedule and EpilogueSchedule;
/// BlockMainloopSchedule too where it has scales per block (Scales: cutlass_scales.cuh). A tile
/// takes 128 bytes of a row at a time: what a swizzled row of shared memory holds.
template <class Config, class Scales, class ElementOfOperands, class ElementOfResult>
struct CutlassPtrArray {
  using Element = ElementOfOperands;
  using Result = ElementOfResult;
  using TileShape = cute::Shape<typename Config::TileRows, typename Config::TileColumns,
                                cute::Int<128 / sizeof(Element)>>;
  using RowMajor = cutlass::layout::RowMajor;
  using TensorOp = cutlass::arch::OpClassTensorOp;
  template <class T>
  static constexpr int kAlignment = 128 / cutlass::sizeof_bits<T>::value;

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      typename Config::Arch, TensorOp, TileShape, typename Config::ClusterShape,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, void, RowMajor*,
      kAlignment<Result>, Result, RowMajor*, kAlignment<Result>, typename Config::EpilogueSchedule,
      cutlass::epilogue::fusion::LinearCombination<Result, float>>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      typename Config::Arch, TensorOp, Element, typename Scales::Tokens, kAlignment<Element>,
      Element, typename Scales::Weights, kAlignment<Element>, float, TileShape,
      typename Config::ClusterShape,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      typename Scales::template MainloopSchedule<Config>>::CollectiveOp;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<cutlass::gemm::kernel::GemmUniversal<
      cutlass::gemm::GroupProblemShape<CutlassShape>, Mainloop, Epilogue>>;
};

template <class Config, class Scales, class Element, class Result>
class CutlassPtrArrayGroups final : public CutlassGroups {
  using Gemm = typename CutlassPtrArray<Config, Scales, Element, Result>::Gemm;
  using StrideA = typename Gemm::GemmKernel::InternalStrideA;
  using StrideB = typename Gemm::GemmKernel::InternalStrideB;
  using StrideD = typename Gemm::GemmKernel::InternalStrideD;

 public:
  explicit CutlassPtrArrayGroups(const CutlassSetup& setup) : operands_{setup}, scales_{setup} {
    const auto count = operands_.extents.size();
    token_strides_ = device_array(std::vector<StrideA>(count, StrideA{setup.k, {}, {}}));
    weight_strides_ = device_array(std::vector<StrideB>(count, StrideB{setup.k, {}, {}}));
    result_strides_ = device_array(std::vector<StrideD>(count, StrideD{setup.n, {}, {}}));
    prepare();
  }

  void enqueue(Stream stream) override {
    check_cutlass(gemm_.run(stream), "launching CUTLASS's grouped product");
  }
  [[nodiscard]] std::int64_t workspace_bytes() const override {
    return static_cast<std::int64_t>(workspace_.size());
  }

 private:
  [[nodiscard]] auto mainloop_arguments() const {
    typename Gemm::GemmKernel::MainloopArguments mainloop{};
    mainloop.ptr_A = operands_.tokens.template as<const Element*>();
    mainloop.dA = token_strides_.template as<StrideA>();
    mainloop.ptr_B = operands_.weights.template as<const Element*>();
    mainloop.dB = weight_strides_.template as<StrideB>();
    scales_.add_to(mainloop);
    return mainloop;
  }

  void prepare() {
    cutlass::KernelHardwareInfo hardware;
    check(cudaGetDevice(&hardware.device_id), "asking for the current device");
    hardware.sm_count =
        cutlass::KernelHardwareInfo::query_device_multiprocessor_count(hardware.device_id);
    typename Gemm::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGrouped,
        {static_cast<int>(operands_.extents.size()),
         operands_.device_extents.template as<CutlassShape>(), operands_.extents.data()},
        mainloop_arguments(),
        {{},
         nullptr,
         nullptr,
         operands_.results.template as<Result*>(),
         result_strides_.template as<StrideD>()},
        hardware};
    arguments.epilogue.thread.alpha = scales_.alpha;
    arguments.epilogue.thread.beta = 0;
    check_cutlass(Gemm::can_implement(arguments), "asking CUTLASS for a grouped product");
    workspace_ = DeviceBuffer{Gemm::get_workspace_size(arguments)};
    check_cutlass(gemm_.initialize(arguments, workspace_.data()),
                  "preparing CUTLASS's grouped product");
    check(cudaDeviceSynchronize(), "preparing CUTLASS's grouped product");
  }

  CutlassOperands<CutlassShape> operands_;
  Scales scales_;
  DeviceBuffer token_strides_, weight_strides_, result_strides_, workspace_;
  Gemm gemm_;
};

template <class Config>
[[nodiscard]] std::unique_ptr<CutlassGroups> make_ptr_array_groups(const CutlassSetup& setup) {
  using cutlass::bfloat16_t, cutlass::half_t, cutlass::float_e4m3_t;
  if (setup.type == Dtype::f16)
    return std::make_unique<CutlassPtrArrayGroups<Config, CutlassFactor, half_t, half_t>>(setup);
  if (setup.type == Dtype::bf16)
    return std::make_unique<CutlassPtrArrayGroups<Config, CutlassFactor, bfloat16_t, bfloat16_t>>(
        setup);
  return std::make_unique<CutlassPtrArrayGroups<Config, CutlassFactor, float_e4m3_t, bfloat16_t>>(
      setup);
}

/// The kernel of a Config, for the devices of its one architecture.
/// @param capability  major * 10 + minor of its compute capability
template <class Config>
[[nodiscard]] CutlassKernel ptr_array_kernel(std::string name, std::string schedule,
                                             int capability) {
  return {std::move(name),
          std::move(schedule),
          capability,
          capability,
          {Dtype::fp8_e4m3, Dtype::bf16, Dtype::f16},
          "tensor",
          make_ptr_array_groups<Config>};
}

}  // namespace moecal::kernels
