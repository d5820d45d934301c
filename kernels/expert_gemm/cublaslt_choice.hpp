// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "kernels/expert_gemm/candidate_choice.hpp"
#include "kernels/expert_gemm/cublaslt_matmul.hpp"

/// Which of the heuristic's algorithms is the fastest here. For .cpp files of cuBLASLt backends.
namespace moecal::kernels {

/// An algorithm and where the heuristic had ranked it.
struct CublasLtChoice {
  CublasLtMatmul::Candidate candidate{};
  std::size_t rank = 0;     // from 1, among all that it offered
  std::size_t offered = 0;  // candidates, those that do not work among them
};
/// "id=66 tile=20 ... rank=3/16".
[[nodiscard]] std::string describe(const CublasLtChoice& choice);

/// The fastest, as fastest_candidate() times them on `sets`: buffers aligned alike, whose results
/// are overwritten.
/// @throws Unsupported if the heuristic has none, Error if none of them runs, with the last
/// refusal.
[[nodiscard]] CublasLtChoice choose_algorithm(const CublasLtMatmul& matmul,
                                              std::span<const CublasLtAddresses> sets,
                                              const CublasLtWorkspace& workspace,
                                              const CandidateTiming& timing);

}  // namespace moecal::kernels
