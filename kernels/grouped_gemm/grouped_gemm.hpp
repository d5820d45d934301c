// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <memory>
#include <vector>

#include "core/routing.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"

/// The products of all experts of a layer, each on the rows that one routing draw gives it: group g
/// has its own rows of A and its own weights, C_g = A_g B_g^T, and, where blocks have scales, its
/// own of both.
namespace moecal::kernels {

struct GroupedGemmProblem {
  ExpertGemmProblem product;  // m: mean rows of a group; n, k and types are every group's
  std::int64_t groups = 0;
  RoutingSpec routing;
};

/// From a record's words: point {groups, m, n, k}. groups x m rows choose a group each.
/// @throws InvalidInput on an unknown dtype, a layout that is not TN, a missing or non-positive
/// size.
[[nodiscard]] GroupedGemmProblem grouped_gemm_problem(const Point& point, const Dtypes& dtypes,
                                                      const RoutingSpec& routing);

/// Rows of each group in the draw of that number; at most the routing's capacity. Buffer set `set`
/// starts with draw `set`.
[[nodiscard]] std::vector<std::int64_t> group_rows(const GroupedGemmProblem& problem,
                                                   std::int64_t draw);

/// Rows that each group's product has: its own, to the next token_multiple of its scales. They
/// follow one another in A and in C. What a group has beyond its own is padding: multiplied, but
/// neither counted nor looked at.
[[nodiscard]] std::vector<std::int64_t> multiplied_rows(const GroupedGemmProblem& problem,
                                                        const std::vector<std::int64_t>& rows);

/// What rows come to when each group's are rounded up to a multiple.
[[nodiscard]] std::int64_t padded_rows(const std::vector<std::int64_t>& rows,
                                       std::int64_t multiple);
/// "rows=2048 padded_128=2560 empty_groups=0": for records, which count routed FLOPs. Where
/// products take a multiple of rows also what they come to: "rows=2045 multiplied=2052 ...".
[[nodiscard]] std::string describe_rows(const std::vector<std::int64_t>& rows,
                                        std::int64_t multiple = 1);

/// What padding comes to over the draws that were timed.
class PaddingRange {
 public:
  /// @param multiple  of rows, that a product takes whole
  explicit PaddingRange(std::int64_t multiple = 1) : multiple_{multiple} {}
  void add(const std::vector<std::int64_t>& rows);
  /// "5 draws: padded_128=2560..2816 empty_groups=0..1", with "multiplied=2052..2060" in front of
  /// them where the multiple is not 1.
  [[nodiscard]] std::string describe() const;

 private:
  struct Range {
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0;
    void add(std::int64_t value);
    [[nodiscard]] std::string str() const;
  };
  std::int64_t multiple_;
  Range multiplied_, padded_, empty_;
  int draws_ = 0;
};

/// Of the result of a draw: [multiplied rows, n].
[[nodiscard]] MatrixShape result_shape(const GroupedGemmProblem& problem,
                                       const std::vector<std::int64_t>& rows);

/// 2 n k FLOPs per row, A and C once, the weights of every group that has a row.
[[nodiscard]] Work grouped_gemm_work(const GroupedGemmProblem& problem,
                                     const std::vector<std::int64_t>& rows);
/// Of the first draw's rows.
[[nodiscard]] Work grouped_gemm_work(const GroupedGemmProblem& problem);

/// The scales of all groups' tokens (of multiplied rows, with room for as much padding as there can
/// be) or weights.
[[nodiscard]] ScaleGridSpec group_scales(const GroupedGemmProblem& problem, Operand operand);

/// The rows of the groups one after the other in `a` [rows, k], with room for their padding; `b`
/// [groups x n, k]. Blocks of scales end with their group.
[[nodiscard]] ExpertGemmOperands make_grouped_gemm_operands(const GroupedGemmProblem& problem,
                                                            std::uint64_t seed);
/// Group `group` of operands, without its padding.
[[nodiscard]] ExpertGemmOperands group_operands(const GroupedGemmProblem& problem,
                                                const ExpertGemmOperands& operands,
                                                const std::vector<std::int64_t>& rows,
                                                std::int64_t group);

/// Group `group` as a product of its own. @throws InvalidInput if the group is empty.
[[nodiscard]] ExpertGemmProblem group_problem(const GroupedGemmProblem& problem,
                                              const std::vector<std::int64_t>& rows,
                                              std::int64_t group);

/// The definition: c [multiplied rows, n] row-major, in double; padding is left as it is.
void grouped_gemm_cpu(const GroupedGemmProblem& problem, const ExpertGemmOperands& operands,
                      const std::vector<std::int64_t>& rows, std::span<double> c);

/// The rows of a draw's result [multiplied rows, n] that a verification looks at: rows_to_check of
/// each group, which share what one product has. Ascending.
[[nodiscard]] std::vector<std::int64_t> grouped_rows_to_check(
    const GroupedGemmProblem& problem, const std::vector<std::int64_t>& rows);
/// check_product_rows of those rows of every group of a draw; the worst.
[[nodiscard]] VerificationResult check_grouped_product_rows(const GroupedGemmProblem& problem,
                                                            const ExpertGemmOperands& operands,
                                                            const std::vector<std::int64_t>& rows,
                                                            const HostMatrix& c);
/// The same of a whole result.
[[nodiscard]] VerificationResult check_grouped_product(const GroupedGemmProblem& problem,
                                                       const ExpertGemmOperands& operands,
                                                       const std::vector<std::int64_t>& rows,
                                                       const HostMatrix& c);

/// Products that a library was prepared for.
class GroupedGemm {
 public:
  virtual ~GroupedGemm() = default;
  /// All products on buffer set `set`. CUDA: enqueued on `stream`; CPU: done on return.
  virtual void launch(int set, Stream stream) = 0;
  /// Gives buffer set `set` another draw's rows [groups]; they are in the plan of its products,
  /// which is made anew. Not while launches run. Synchronous.
  virtual void redraw(int set, const std::vector<std::int64_t>& rows) = 0;
  /// C [multiplied rows, n] of buffer set 0 and the draw it has, after the device's work is done.
  /// Synchronous.
  [[nodiscard]] virtual HostMatrix result() const = 0;
  /// Those rows of it, one after the other.
  [[nodiscard]] virtual HostMatrix result_rows(std::span<const std::int64_t> rows) const;
  /// C of buffer set `set`, where the library has it: every launch writes its first row.
  [[nodiscard]] virtual std::span<std::byte> written(int set) = 0;
  [[nodiscard]] virtual LibraryInfo library() const = 0;
};

struct GroupedGemmSetup {
  const GroupedGemmProblem& problem;
  const ExpertGemmOperands& operands;  // copied
  int sets = 1;
};

/// oneDNN on the CPU: a product per group, one after the other.
/// check_...: @throws Unsupported with the reason if this machine cannot do the problem.
void check_grouped_gemm_onednn(const GroupedGemmProblem& problem);
[[nodiscard]] std::unique_ptr<GroupedGemm> make_grouped_gemm_onednn(const GroupedGemmSetup& setup);

/// cuBLAS's grouped product, f16, bf16 and f32, FP32 accumulation. Only in builds with CUDA.
void check_grouped_gemm_cublas(const GroupedGemmProblem& problem, int device);
[[nodiscard]] std::unique_ptr<GroupedGemm> make_grouped_gemm_cublas(const GroupedGemmSetup& setup);

/// Kernels and events at most of one graph of make_grouped_gemm_cublaslt.
[[nodiscard]] int enqueued_by_cublaslt(std::int64_t groups);

/// cuBLASLt, a product per group spread over several streams, as one CUDA graph; every type and
/// scale mode that expert_gemm has. Only in builds with CUDA.
void check_grouped_gemm_cublaslt(const GroupedGemmProblem& problem, int device);
[[nodiscard]] std::unique_ptr<GroupedGemm> make_grouped_gemm_cublaslt(
    const GroupedGemmSetup& setup);

/// CUTLASS's grouped kernels, by the words that records have for them: cutlass_sm80 (f16, bf16, on
/// every card since A100), cutlass_sm90a and cutlass_sm100a (f16, bf16, and FP8 E4M3 with a scale
/// per operand, on Hopper and on B200 alone; on Hopper with scale mode block_128x128 too); one
/// launch, FP32 accumulation. Only in builds with CUTLASS.
[[nodiscard]] std::vector<std::string> cutlass_implementations();
void check_grouped_gemm_cutlass(const std::string& implementation,
                                const GroupedGemmProblem& problem, int device);
[[nodiscard]] std::unique_ptr<GroupedGemm> make_grouped_gemm_cutlass(
    const std::string& implementation, const GroupedGemmSetup& setup);

}  // namespace moecal::kernels
