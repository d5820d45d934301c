// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cublas_v2.h>

#include <limits>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "kernels/expert_gemm/cublas_workspace.hpp"
#include "kernels/grouped_gemm/device_group_buffers.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/buffer.hpp"
#include "runtime/check_cublaslt.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_fill.hpp"

namespace moecal::kernels {
namespace {

/// Those that cublasGemmGroupedBatchedEx has with FP32 arithmetic.
std::optional<cudaDataType_t> type_of(const ExpertGemmProblem& product) {
  if (product.b != product.a || product.c != product.a) return std::nullopt;
  if (product.a == Dtype::f16) return CUDA_R_16F;
  if (product.a == Dtype::bf16) return CUDA_R_16BF;
  if (product.a == Dtype::f32) return CUDA_R_32F;
  return std::nullopt;
}

struct CublasDestroyer {
  void operator()(cublasContext* handle) const noexcept {
    check_in_destructor(cublasDestroy(handle), "stopping cuBLAS");
  }
};
using CublasHandle = std::unique_ptr<cublasContext, CublasDestroyer>;

CublasHandle make_handle() {
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "starting cuBLAS");
  return CublasHandle{handle};
}

/// Device addresses of one matrix of every group, themselves in device memory.
template <class Address>
DeviceBuffer addresses_on_device(const std::vector<Address>& addresses) {
  return to_device(std::span<const Address>{addresses});
}

/// The groups of one set that have rows. cuBLAS's matrices are column-major: its first operand is
/// our weights, [k, n] and transposed, its second our rows, [k, rows].
struct CublasGroups {
  std::vector<int> outputs, rows, inputs, one_each;
  std::vector<cublasOperation_t> transposed, plain;
  std::vector<float> ones, zeros;
  std::vector<const void*> weights, tokens;
  std::vector<void*> results;

  void add(int n, int count, int k) {
    outputs.push_back(n);
    rows.push_back(count);
    inputs.push_back(k);
    one_each.push_back(1);
    transposed.push_back(CUBLAS_OP_T);
    plain.push_back(CUBLAS_OP_N);
    ones.push_back(1);
    zeros.push_back(0);
  }
};

class CublasGroupedGemm final : public GroupedGemm {
 public:
  explicit CublasGroupedGemm(const GroupedGemmSetup& setup)
      : problem_{setup.problem}, type_{*type_of(setup.problem.product)}, handle_{make_handle()} {
    for (int set = 0; set < setup.sets; ++set) {
      sets_.push_back({make_device_group_buffers(problem_, setup.operands)});
      redraw(set, group_rows(problem_, set));
    }
  }

  /// Launches the product once: the kernels of another draw may be others, and none may be loaded,
  /// which waits for the device, in a batch that is held.
  void redraw(int set, const std::vector<std::int64_t>& rows) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    const auto& [m, n, k] = problem_.product.shape;
    const std::int64_t size = size_of(problem_.product.a);
    buffers.rows = rows;
    buffers.groups = {};
    std::int64_t first = 0;
    for (std::int64_t group = 0; group < problem_.groups; ++group) {
      const auto count = rows[static_cast<std::size_t>(group)];
      if (count == 0) continue;
      buffers.groups.add(static_cast<int>(n), static_cast<int>(count), static_cast<int>(k));
      buffers.groups.weights.push_back(buffers.weights.data() + group * n * k * size);
      buffers.groups.tokens.push_back(buffers.tokens.data() + first * k * size);
      buffers.groups.results.push_back(buffers.result.data() + first * n * size);
      first += count;
    }
    buffers.weight_addresses = addresses_on_device(buffers.groups.weights);
    buffers.token_addresses = addresses_on_device(buffers.groups.tokens);
    buffers.result_addresses = addresses_on_device(buffers.groups.results);
    launch(set, first_stream_.get());
    first_stream_.synchronize();
    mark_unwritten(buffers.result.data(), buffers.result.size());
  }

  void launch(int set, Stream stream) override {
    const auto& buffers = sets_[static_cast<std::size_t>(set)];
    const auto& groups = buffers.groups;
    const std::size_t count = groups.rows.size();
    use_stream(stream);
    check(
        cublasGemmGroupedBatchedEx(
            handle_.get(), groups.transposed.data(), groups.plain.data(), groups.outputs.data(),
            groups.rows.data(), groups.inputs.data(), groups.ones.data(),
            buffers.weight_addresses.as<const void*>(), type_, groups.inputs.data(),
            buffers.token_addresses.as<const void*>(), type_, groups.inputs.data(),
            groups.zeros.data(), buffers.result_addresses.as<void*>(), type_, groups.outputs.data(),
            static_cast<int>(count), groups.one_each.data(), CUBLAS_COMPUTE_32F),
        "launching cuBLAS's grouped product");
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
    int version = 0;  // 13.1.0 is 130100
    check(cublasGetVersion(handle_.get(), &version), "asking for cuBLAS's version");
    return {"cuBLAS",
            std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                std::to_string(version % 100),
            "grouped first draw: " + describe_rows(group_rows(problem_, 0)),
            static_cast<std::int64_t>(kCublasWorkspaceBytes)};
  }

 private:
  struct Set : DeviceGroupBuffers {
    CublasGroups groups{};
    DeviceBuffer weight_addresses{}, token_addresses{}, result_addresses{};
  };

  // Another stream gives the handle cuBLAS's own workspace back.
  void use_stream(Stream stream) {
    if (stream_ == stream) return;
    check(cublasSetStream(handle_.get(), stream), "giving cuBLAS a stream");
    check(cublasSetWorkspace(handle_.get(), workspace_.data(), workspace_.size()),
          "giving cuBLAS a workspace");
    stream_ = stream;
  }

  GroupedGemmProblem problem_;
  cudaDataType_t type_;
  DeviceBuffer workspace_{kCublasWorkspaceBytes};
  std::optional<Stream> stream_;  // that the handle has
  CudaStream first_stream_;       // outlives the handle, which may have it still
  CublasHandle handle_;
  std::vector<Set> sets_;
};

}  // namespace

void check_grouped_gemm_cublas(const GroupedGemmProblem& problem, int device) {
  const auto& product = problem.product;
  if (!type_of(product) || product.scale_mode != "none")
    throw Unsupported{
        "cuBLAS has no grouped product for " + type_names(product) +
        (product.scale_mode == "none" ? "" : " with scale mode " + product.scale_mode)};
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  const auto& [m, n, k] = product.shape;
  if (problem.groups * m > kMost || n > kMost || k > kMost)
    throw Unsupported{"cuBLAS's grouped product has 32-bit sizes"};
  check_expert_gemm_cublaslt(product, device);
}

std::unique_ptr<GroupedGemm> make_grouped_gemm_cublas(const GroupedGemmSetup& setup) {
  return std::make_unique<CublasGroupedGemm>(setup);
}

}  // namespace moecal::kernels
