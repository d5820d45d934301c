// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_choice.hpp"

namespace moecal::kernels {

std::string describe(const CublasLtChoice& choice) {
  return describe_algorithm(choice.candidate.algo) + " rank=" + std::to_string(choice.rank) + "/" +
         std::to_string(choice.offered);
}

CublasLtChoice choose_algorithm(const CublasLtMatmul& matmul,
                                std::span<const CublasLtAddresses> sets,
                                const CublasLtWorkspace& workspace, const CandidateTiming& timing) {
  const auto found = matmul.candidates(sets.front(), workspace.bytes, timing.candidates);
  const auto launch = [&](std::size_t candidate, std::size_t set, Stream stream) {
    matmul.launch(sets[set], found[candidate], workspace, stream);
  };
  const auto fastest = fastest_candidate(
      {"cuBLASLt's candidate algorithms", found.size(), sets.size(), launch}, timing);
  return {found[fastest], fastest + 1, found.size()};
}

}  // namespace moecal::kernels
