// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/observation.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"

/// Is C the product of A and B^T? Errors are relative to max(|true value|, typical value), the
/// typical value being what uniform operands give: sqrt(k) times the operands' standard deviations.
namespace moecal::kernels {

/// The largest relative error a right product of these types may have.
[[nodiscard]] double product_tolerance(const ExpertGemmProblem& problem);

/// Compares every element with the oracle. Takes 2 m n k double-precision operations.
[[nodiscard]] double full_error(const ExpertGemmProblem& problem,
                                const ExpertGemmOperands& operands, const HostMatrix& c);

/// The largest error of `count` random elements, each computed in double.
[[nodiscard]] double sampled_error(const ExpertGemmProblem& problem,
                                   const ExpertGemmOperands& operands, const HostMatrix& c,
                                   int count);

/// Freivalds' check of the whole product in O(m k n / 1024 + m n + n k) operations: with x random
/// of +-1, C x = A (B^T x), taken over blocks of 1024 columns. Returns the largest deviation on the
/// scale of product_tolerance: over it means that some element of that row and block is wrong by
/// more than rounding explains. One wrong element is seen if it is off by more than 112 tolerances
/// (f16: 0.06 of the typical value, bf16: 0.5, FP8 with k = 4096: 2); a wrong tile is seen in every
/// row given.
[[nodiscard]] double freivalds_error(const ExpertGemmProblem& problem,
                                     const ExpertGemmOperands& operands, const HostMatrix& c);
/// The same of these rows of the product alone: c [rows.size(), n].
[[nodiscard]] double freivalds_error(const ExpertGemmProblem& problem,
                                     const ExpertGemmOperands& operands,
                                     std::span<const std::int64_t> rows, const HostMatrix& c);

/// The rows of C that a verification looks at: all where it is computed whole or has up to 2^23
/// elements; else the first and last 256, which the edge tiles have, and about 2^23 elements, 1024
/// rows at least, one of each stretch of equal length, of 32 rows at most: of any 64 rows that
/// follow one another some are looked at, of fewer perhaps none. Ascending, and always the same. Of
/// `groups` such products that are verified together each has its share of those numbers.
[[nodiscard]] std::vector<std::int64_t> rows_to_check(const ExpertGemmProblem& problem,
                                                      std::int64_t groups = 1);
/// check_product of those rows [rows_to_check, n]: all columns of them.
[[nodiscard]] VerificationResult check_product_rows(const ExpertGemmProblem& problem,
                                                    const ExpertGemmOperands& operands,
                                                    const HostMatrix& c, std::int64_t groups = 1);

/// Full up to 2^28 FLOP, above that 256 samples and Freivalds' check, of rows_to_check.
[[nodiscard]] VerificationResult check_product(const ExpertGemmProblem& problem,
                                               const ExpertGemmOperands& operands,
                                               const HostMatrix& c);

}  // namespace moecal::kernels
