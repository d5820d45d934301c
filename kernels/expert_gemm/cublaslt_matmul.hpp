// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublasLt.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/expert_gemm/cublaslt_plan.hpp"
#include "runtime/check_cublaslt.hpp"
#include "runtime/stream.hpp"

/// cuBLASLt's objects, owned. For .cpp files of the cuBLASLt backend.
namespace moecal::kernels {

/// Calls a cuBLASLt destroy function on an opaque pointer.
template <auto Destroy>
struct CublasLtDestroyer {
  template <class Object>
  void operator()(Object* object) const noexcept {
    check_in_destructor(Destroy(object), "destroying a cuBLASLt object");
  }
};
template <class Object, auto Destroy>
using CublasLtObject = std::unique_ptr<Object, CublasLtDestroyer<Destroy>>;

/// A start of cuBLASLt, shared by the products that use it one thread at a time.
using CublasLtHandle = std::shared_ptr<cublasLtContext>;
[[nodiscard]] CublasLtHandle make_cublaslt_handle();

/// Device addresses of the operands' scales, in the order of the plan's modes
/// (cublaslt_scales.hpp); null where it has none. `factor` multiplies the product (alpha).
struct CublasLtScales {
  const void* weights = nullptr;
  const void* tokens = nullptr;
  float factor = 1;
};

/// Device addresses of one product.
struct CublasLtAddresses {
  const void* weights = nullptr;
  const void* tokens = nullptr;
  void* result = nullptr;
};

struct CublasLtWorkspace {
  void* address = nullptr;
  std::size_t bytes = 0;
};

/// The largest power of two, at most 256, that divides an address.
[[nodiscard]] std::uint32_t alignment_of(const void* address);

/// One product as cuBLASLt knows it: descriptor, layouts and candidate algorithms.
class CublasLtMatmul {
 public:
  using Candidate = cublasLtMatmulHeuristicResult_t;

  CublasLtMatmul(const CublasLtPlan& plan, const CublasLtScales& scales,
                 CublasLtHandle handle = make_cublaslt_handle());

  /// What the heuristic offers for operands as aligned as these addresses, best guess first; it may
  /// name some that do not work. @throws Unsupported if none works.
  [[nodiscard]] std::vector<Candidate> candidates(const CublasLtAddresses& addresses,
                                                  std::size_t workspace_bytes, int count) const;
  [[nodiscard]] static bool works(const Candidate& candidate);
  /// Whether a candidate found for a product of other extents can do this one in so much workspace.
  [[nodiscard]] bool takes(const Candidate& candidate, std::size_t workspace_bytes) const;
  /// Enqueues D = op(A) op(B); `workspace` is used until the product is done. @throws Error
  void launch(const CublasLtAddresses& addresses, const Candidate& candidate,
              const CublasLtWorkspace& workspace, Stream stream) const;

 private:
  using Layout = CublasLtObject<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>;

  static Layout make_layout(const CublasLtMatrix& matrix);
  void set_scales(const CublasLtScales& scales);

  CublasLtPlan plan_;
  float factor_;
  CublasLtHandle handle_;
  CublasLtObject<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy> operation_;
  Layout weights_;
  Layout tokens_;
  Layout result_;
};

/// The algorithm of a candidate: "id=66 tile=20 stages=7 split_k=1 reduction=0 swizzle=0 custom=0
/// inner_shape=0 cluster_shape=2".
[[nodiscard]] std::string describe_algorithm(const cublasLtMatmulAlgo_t& algorithm);
/// Of the library that runs, e.g. 13.1.0.
[[nodiscard]] std::string cublaslt_version();

}  // namespace moecal::kernels
