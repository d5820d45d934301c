// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "kernels/grouped_gemm/cutlass_group_list.hpp"
#include "kernels/grouped_gemm/device_group_buffers.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_fill.hpp"
#include "runtime/device_info.hpp"

namespace moecal::kernels {
namespace {

const std::vector<CutlassKernel>& kernels() {
  static const std::vector<CutlassKernel> kAll{cutlass_sm100a_kernel(), cutlass_sm90a_kernel(),
                                               cutlass_sm90a_block_kernel(), cutlass_sm80_kernel()};
  return kAll;
}

/// Of an implementation's kernels that for the product's scales, or else the first.
const CutlassKernel& kernel_of(const std::string& implementation,
                               const ExpertGemmProblem& product) {
  const CutlassKernel* first = nullptr;
  for (const auto& kernel : kernels()) {
    if (kernel.implementation != implementation) continue;
    if (kernel.scale_mode == product.scale_mode) return kernel;
    if (first == nullptr) first = &kernel;
  }
  if (first != nullptr) return *first;
  throw Error{"there is no CUTLASS kernel '" + implementation + "'"};
}

/// Of all kernels of its implementation: "tensor or block_128x128".
std::string scale_modes_of(const CutlassKernel& kernel, bool is_fp8) {
  if (!is_fp8) return "none";
  std::string modes;
  for (const auto& other : kernels())
    if (other.implementation == kernel.implementation)
      modes += (modes.empty() ? "" : " or ") + other.scale_mode;
  return modes;
}

void check_types(const CutlassKernel& kernel, const ExpertGemmProblem& product) {
  const bool is_fp8 = product.a == Dtype::fp8_e4m3;
  const auto result = is_fp8 ? Dtype::bf16 : product.a;
  const std::string scale_mode = is_fp8 ? kernel.scale_mode : "none";
  const bool has_type = std::ranges::find(kernel.types, product.a) != kernel.types.end();
  if (!has_type || product.b != product.a || product.c != result)
    throw Unsupported{"the kernel " + kernel.implementation + " is not built for " +
                      type_names(product)};
  if (product.scale_mode != scale_mode)
    throw Unsupported{"the kernel " + kernel.implementation + " takes " + type_names(product) +
                      " with scale mode " + scale_modes_of(kernel, is_fp8) + ", not " +
                      product.scale_mode};
}

// Every row starts at a multiple of 16 bytes: TMA and 16-byte copies want that.
void check_sizes(const GroupedGemmProblem& problem) {
  const auto& product = problem.product;
  const auto& [m, n, k] = product.shape;
  if (k * size_of(product.a) % 16 != 0 || n * size_of(product.c) % 16 != 0)
    throw Unsupported{"CUTLASS's grouped kernels need rows of a multiple of 16 bytes, not n " +
                      std::to_string(n) + " and k " + std::to_string(k) + " of " +
                      type_names(product)};
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  if (problem.groups * (m + token_multiple(product.scale_mode) - 1) > kMost || n > kMost ||
      k > kMost)
    throw Unsupported{"CUTLASS's grouped kernels have 32-bit sizes"};
}

void check_device(const CutlassKernel& kernel, int device) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) throw Unsupported{"CUTLASS needs a CUDA device: " + found.reason};
  const auto& properties = found.devices.at(static_cast<std::size_t>(device));
  const int capability = 10 * properties.compute_major + properties.compute_minor;
  if (capability < kernel.least_capability || capability > kernel.most_capability)
    throw Unsupported{"the kernel " + kernel.implementation +
                      " does not run on compute capability " +
                      std::to_string(properties.compute_major) + "." +
                      std::to_string(properties.compute_minor) + " (" + properties.name + ")"};
  use_cuda_device(device);
}

class CutlassGroupedGemm final : public GroupedGemm {
 public:
  CutlassGroupedGemm(const CutlassKernel& kernel, const GroupedGemmSetup& setup)
      : kernel_{kernel},
        problem_{setup.problem},
        factor_{setup.operands.a.scale * setup.operands.b.scale},
        token_scales_{setup.operands.a_scales},
        weight_scales_{scales_on_device(setup.operands.b_scales, rows_of_weights(setup))} {
    for (int set = 0; set < setup.sets; ++set) {
      sets_.push_back({make_device_group_buffers(problem_, setup.operands)});
      redraw(set, group_rows(problem_, set));
    }
  }

  /// Launches the products once: a kernel's first launch loads it, which waits for the device, and
  /// may not fall into a batch that is held.
  void redraw(int set, const std::vector<std::int64_t>& rows) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    const auto& product = problem_.product;
    buffers.products.reset();
    if (!token_scales_.empty())
      buffers.token_scales = scales_on_device(token_scales_, multiplied_rows(problem_, rows));
    buffers.rows = rows;
    const auto groups =
        cutlass_groups(problem_, rows,
                       {buffers.weights.data(), buffers.tokens.data(), buffers.result.data(),
                        weight_scales_.as<float>(), buffers.token_scales.as<float>()});
    buffers.products = kernel_.make({groups, product.shape.n, product.shape.k, factor_, product.a});
    const CudaStream stream;
    buffers.products->enqueue(stream.get());
    stream.synchronize();
    mark_unwritten(buffers.result.data(), buffers.result.size());
  }

  void launch(int set, Stream stream) override {
    sets_[static_cast<std::size_t>(set)].products->enqueue(stream);
  }

  [[nodiscard]] HostMatrix result() const override { return result_of(problem_, sets_[0]); }

  [[nodiscard]] HostMatrix result_rows(std::span<const std::int64_t> rows) const override {
    return result_rows_of(problem_, sets_[0], rows);
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].result;
    return {result.data(), result.size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"CUTLASS", cutlass_version(),
            kernel_.description + " first draw: " +
                describe_rows(group_rows(problem_, 0), token_multiple(problem_.product.scale_mode)),
            sets_[0].products->workspace_bytes()};
  }

 private:
  struct Set : DeviceGroupBuffers {
    DeviceBuffer token_scales{};  // of the draw
    std::unique_ptr<CutlassGroups> products{};
  };

  static std::vector<std::int64_t> rows_of_weights(const GroupedGemmSetup& setup) {
    const auto groups = setup.problem.groups;
    return std::vector<std::int64_t>(static_cast<std::size_t>(groups),
                                     setup.operands.b_scales.rows / groups);
  }
  /// Nothing where operands have no blocks.
  static DeviceBuffer scales_on_device(const ScaleGrid& grid,
                                       const std::vector<std::int64_t>& rows) {
    const auto scales = cutlass_scales(grid, rows);
    return to_device(std::span<const float>{scales});
  }

  CutlassKernel kernel_;
  GroupedGemmProblem problem_;
  float factor_;
  ScaleGrid token_scales_;
  DeviceBuffer weight_scales_;
  std::vector<Set> sets_;
};

}  // namespace

std::vector<std::string> cutlass_implementations() {
  std::vector<std::string> names;
  for (const auto& kernel : kernels())
    if (std::ranges::find(names, kernel.implementation) == names.end())
      names.push_back(kernel.implementation);
  return names;
}

void check_grouped_gemm_cutlass(const std::string& implementation,
                                const GroupedGemmProblem& problem, int device) {
  const auto& kernel = kernel_of(implementation, problem.product);
  check_types(kernel, problem.product);
  check_sizes(problem);
  check_device(kernel, device);
}

std::unique_ptr<GroupedGemm> make_grouped_gemm_cutlass(const std::string& implementation,
                                                       const GroupedGemmSetup& setup) {
  return std::make_unique<CutlassGroupedGemm>(kernel_of(implementation, setup.problem.product),
                                              setup);
}

}  // namespace moecal::kernels
