// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "kernels/expert_gemm/cublaslt_matmul.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"

/// Products of uneven groups by cuBLASLt, which has no grouped product of its own: one product per
/// group, spread over streams. For .cpp files of cuBLASLt backends.
namespace moecal::kernels {

/// Streams and what each needs for itself; several CublasLtGroups may use them one after the other.
class CublasLtLanes {
 public:
  static constexpr int kLanes = 8;
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  CublasLtLanes() : handle_{make_cublaslt_handle()}, lanes_(kLanes) {}

  struct Lane {
    CudaStream stream;
    CudaEvent done;
    DeviceBuffer workspace{kWorkspaceBytes};
  };
  [[nodiscard]] std::vector<Lane>& lanes() { return lanes_; }
  [[nodiscard]] CudaEvent& started() { return started_; }
  [[nodiscard]] const CublasLtHandle& handle() const { return handle_; }

 private:
  CublasLtHandle handle_;
  CudaEvent started_;
  std::vector<Lane> lanes_;
};

/// The products of one routing draw on one set of buffers.
class CublasLtGroups {
 public:
  /// `bases`: of all groups, device memory; rows and weights of the groups follow one another.
  /// Empty groups are no products. Each uses the first algorithm that the heuristic names for it.
  /// @throws Unsupported if there is none
  CublasLtGroups(const GroupedGemmProblem& problem, const std::vector<std::int64_t>& rows,
                 const CublasLtAddresses& bases, const CublasLtScales& scales,
                 CublasLtLanes& lanes);

  /// Enqueues all products: they start when `stream` gets there, and what comes after on `stream`
  /// waits for them. May be captured. @throws Error
  void enqueue(Stream stream) const;
  /// Of the largest group.
  [[nodiscard]] std::string algorithm() const;

 private:
  struct Product {
    CublasLtMatmul matmul;
    CublasLtAddresses addresses;
    CublasLtMatmul::Candidate candidate;
    std::int64_t rows;
  };
  CublasLtLanes& lanes_;
  std::vector<Product> products_;  // most rows first: the longest start first
};

}  // namespace moecal::kernels
