// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/observation.hpp"
#include "core/periodic_matrix.hpp"
#include "core/work.hpp"
#include "kernels/expert_gemm/scale_grid.hpp"
#include "runtime/stream.hpp"

/// One matrix product, the work of one expert on the tokens it was given: C = A B^T, where A holds
/// tokens, B weights. Its gradients are such products too, of operands that are stored otherwise:
///   forward   Y [m, n] = X W^T      X [m, k], W [n, k]                  layout TN
///   dgrad     dX [m, n] = dY W      dY [m, k], W stored [k, n]          layout NN
///   wgrad     dW [m, n] = dY^T X    dY stored [k, m], X stored [k, n]   layout NT
namespace moecal::kernels {

struct ExpertGemmShape {
  std::int64_t m = 0;  // tokens
  std::int64_t n = 0;  // output features
  std::int64_t k = 0;  // input features, the sum's length
  bool operator==(const ExpertGemmShape&) const = default;
};

/// A shape, its element types and how they are stored. scale_mode: none, tensor (one FP32 scale per
/// operand), or blocks that share a scale, see scale_block(). layout: TN, NN, NT or TT, see
/// Dtypes::layout.
struct ExpertGemmProblem {
  ExpertGemmShape shape;
  Dtype a = Dtype::f32;
  Dtype b = Dtype::f32;
  Dtype c = Dtype::f32;
  std::string scale_mode = "none";
  std::string layout = "TN";
  [[nodiscard]] bool b_is_k_by_n() const { return layout[0] == 'N'; }
  [[nodiscard]] bool a_is_k_by_m() const { return layout[1] == 'T'; }
};

/// The same from a record's words: point {m, n, k}. @throws InvalidInput on an unknown dtype, a
/// or layout, a missing or non-positive size. An empty layout is TN.
[[nodiscard]] ExpertGemmProblem expert_gemm_problem(const Point& point, const Dtypes& dtypes);
/// "f16 x f16 -> f16", and the layout where it is not TN: for messages.
[[nodiscard]] std::string type_names(const ExpertGemmProblem& problem);

/// 2 m n k FLOPs; each operand read once and the result written once. Scales, at most 3 % of an
/// operand's bytes, are not counted.
[[nodiscard]] Work expert_gemm_work(const ExpertGemmProblem& problem);

/// What is multiplied, row-major as the layout says: A [m, k] or [k, m], B [n, k] or [k, n].
struct ExpertGemmOperands {
  PeriodicMatrix a;
  PeriodicMatrix b;
  bool a_is_k_by_m = false;
  bool b_is_k_by_n = false;
  ScaleGrid a_scales{};  // beside the matrix's; empty without blocks
  ScaleGrid b_scales{};
  [[nodiscard]] std::int64_t m() const { return a_is_k_by_m ? a.columns : a.rows; }
  [[nodiscard]] std::int64_t n() const { return b_is_k_by_n ? b.columns : b.rows; }
  [[nodiscard]] std::int64_t k() const { return a_is_k_by_m ? a.rows : a.columns; }
};
/// The k scaled values that make row i of C, and those that make its column j.
void decode_tokens(const ExpertGemmOperands& operands, std::int64_t i, std::span<double> values);
void decode_weights(const ExpertGemmOperands& operands, std::int64_t j, std::span<double> values);
/// Uniform over [-1, 1] (integers: [-63, 63]): zeros would draw less power and run faster. Every
/// block that has a scale has one of its own. Scales of an int8 result give it a standard deviation
/// of 16.
inline constexpr double kInt8ResultDeviation = 16;
[[nodiscard]] ExpertGemmOperands make_expert_gemm_operands(const ExpertGemmProblem& problem,
                                                           std::uint64_t seed);

/// The definition: c[i, j] = sum over l of a[i, l] b[j, l], c [m, n] row-major, in double; a[i, l]
/// is A's element (l, i) where A is stored [k, m], and so for B. The host's cores share its
/// columns.
void expert_gemm_cpu(const ExpertGemmOperands& operands, std::span<double> c);

/// A product that a library was prepared for: owns its copies of the operands and its results.
class ExpertGemm {
 public:
  virtual ~ExpertGemm() = default;
  /// One product on buffer set `set`. CUDA: enqueued on `stream`; CPU: done on return.
  virtual void launch(int set, Stream stream) = 0;
  /// C [m, n] of buffer set 0, row-major, after the device's work is done. Synchronous.
  [[nodiscard]] virtual HostMatrix result() const = 0;
  /// Those rows of it, one after the other.
  [[nodiscard]] virtual HostMatrix result_rows(std::span<const std::int64_t> rows) const;
  /// C of buffer set `set`, where the library has it.
  [[nodiscard]] virtual std::span<std::byte> written(int set) = 0;
  [[nodiscard]] virtual LibraryInfo library() const = 0;
};

/// What a library is prepared with.
struct ExpertGemmSetup {
  const ExpertGemmProblem& problem;
  const ExpertGemmOperands& operands;  // copied
  int sets = 1;                        // equal buffer sets at different addresses
};

/// oneDNN on the CPU, weights packed into the layout it asks for before anything is timed, tokens
/// as the problem's layout has them. f32 -> f32, bf16 -> bf16, f16 -> f16 and int8 -> int32, where
/// the CPU can. check_...: @throws Unsupported with the reason if this machine cannot do the
/// problem.
void check_expert_gemm_onednn(const ExpertGemmProblem& problem);
[[nodiscard]] std::unique_ptr<ExpertGemm> make_expert_gemm_onednn(const ExpertGemmSetup& setup);

/// The same product for a caller that has its own rows: (A [m, k], C [m, n]) -> void, both
/// row-major host memory.
using PackedProduct = std::function<void(const void* a, void* c)>;
/// B [n, k], packed once for products of any number of rows, and anew only where so many rows want
/// another format.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  [[nodiscard]] virtual PackedProduct product(std::int64_t rows) = 0;
  /// With the kernel of the last product.
  [[nodiscard]] virtual LibraryInfo library() const = 0;
};
/// Packed for the problem's m.
[[nodiscard]] std::unique_ptr<PackedWeights> make_packed_weights_onednn(
    const ExpertGemmProblem& problem, const PeriodicMatrix& weights);
/// Name and version.
[[nodiscard]] LibraryInfo onednn_library();

/// cuBLASLt on the current CUDA device, FP32 accumulation: f32, f16 and bf16 of their own kind, FP8
/// (E4M3 by E4M3, E5M2 by E4M3) with every scale mode -> bf16 or f16, int8 -> int32 or scaled to
/// int8. The candidates of its heuristic are timed and the fastest is used. Only in builds with
/// CUDA. check_...: @throws Unsupported with the reason if cuBLASLt or this device cannot do the
/// problem.
void check_expert_gemm_cublaslt(const ExpertGemmProblem& problem, int device);
[[nodiscard]] std::unique_ptr<ExpertGemm> make_expert_gemm_cublaslt(const ExpertGemmSetup& setup);

}  // namespace moecal::kernels
