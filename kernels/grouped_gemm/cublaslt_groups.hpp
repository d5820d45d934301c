// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <tuple>
#include <vector>

#include "kernels/expert_gemm/cublas_workspace.hpp"
#include "kernels/expert_gemm/cublaslt_choice.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"

/// Products of uneven groups by cuBLASLt: one product per group, spread over streams, because a
/// batch of release 13.1 is of one shape. (Later releases have groups of several, as an experiment,
/// for compute capability 9.0, 10.x and 11.0: not called here.) For .cpp files of cuBLASLt
/// backends.
namespace moecal::kernels {

/// A group's product: of the mean rows, or of as many more as it takes whole.
[[nodiscard]] ExpertGemmProblem mean_product(const GroupedGemmProblem& problem);
/// Of all groups' weights, for CublasLtGroups. @throws as plan_cublaslt
[[nodiscard]] std::vector<std::byte> arrange_weight_scales(const GroupedGemmProblem& problem,
                                                           const PeriodicMatrix& weights,
                                                           const ScaleGrid& scales);
/// The same of the tokens that a draw gives them.
[[nodiscard]] std::vector<std::byte> arrange_token_scales(const GroupedGemmProblem& problem,
                                                          const ExpertGemmOperands& operands,
                                                          const std::vector<std::int64_t>& rows);

/// The fastest algorithm of each shape that was met: timed once for all groups whose rows round up
/// to the same power of two, and of the same types, scale modes and alignment.
class CublasLtChoices {
 public:
  /// @throws as choose_algorithm
  [[nodiscard]] CublasLtChoice of(const CublasLtPlan& plan, const CublasLtMatmul& matmul,
                                  const CublasLtAddresses& addresses,
                                  const CublasLtWorkspace& workspace);

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, cudaDataType_t,
                         cudaDataType_t, cudaDataType_t, cublasLtMatmulMatrixScale_t,
                         cublasLtMatmulMatrixScale_t, std::uint32_t>;
  std::map<Key, CublasLtChoice> chosen_;
};

/// Streams and what each needs for itself; several CublasLtGroups may use them one after the other.
class CublasLtLanes {
 public:
  static constexpr int kLanes = 8;
  static constexpr std::size_t kWorkspaceBytes = kLanes * kCublasWorkspaceBytes;  // of all

  CublasLtLanes() : handle_{make_cublaslt_handle()}, lanes_(kLanes) {}

  struct Lane {
    CudaStream stream;
    CudaEvent done;
    DeviceBuffer workspace{kCublasWorkspaceBytes};
  };
  [[nodiscard]] std::vector<Lane>& lanes() { return lanes_; }
  [[nodiscard]] CudaEvent& started() { return started_; }
  [[nodiscard]] const CublasLtHandle& handle() const { return handle_; }
  [[nodiscard]] CublasLtChoices& choices() { return choices_; }

 private:
  CublasLtHandle handle_;
  CudaEvent started_;
  std::vector<Lane> lanes_;
  CublasLtChoices choices_;
};

/// The products of one routing draw on one set of buffers.
class CublasLtGroups {
 public:
  /// `bases`, `scales`: of all groups, device memory; multiplied rows, weights and, scale_stride
  /// apart, the scales of both follow one another. Empty groups are no products. Each uses the
  /// fastest algorithm for its shape when it has the device to itself; timing overwrites the
  /// results. @throws Unsupported if there is none
  CublasLtGroups(const GroupedGemmProblem& problem, const std::vector<std::int64_t>& rows,
                 const CublasLtAddresses& bases, const CublasLtScales& scales,
                 CublasLtLanes& lanes);

  /// Enqueues all products: they start when `stream` gets there, and what comes after on `stream`
  /// waits for them. May be captured. @throws Error
  void enqueue(Stream stream) const;
  /// Of the largest group: "id=66 tile=20 ... rank=3/8".
  [[nodiscard]] std::string algorithm() const;

 private:
  struct Product {
    CublasLtMatmul matmul;
    CublasLtPlan plan;
    CublasLtAddresses addresses;
    CublasLtChoice choice;
    std::int64_t rows;
  };
  CublasLtLanes& lanes_;
  std::vector<Product> products_;  // most rows first: the longest start first
};

}  // namespace moecal::kernels
