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
  std::vector<std::size_t> working;  // their places in what the heuristic offered
  for (std::size_t place = 0; place < found.size(); ++place)
    if (CublasLtMatmul::works(found[place])) working.push_back(place);
  const auto launch = [&](std::size_t candidate, std::size_t set, Stream stream) {
    matmul.launch(sets[set], found[working[candidate]], workspace, stream);
  };
  const auto fastest = working[fastest_candidate(
      {"cuBLASLt's candidate algorithms", working.size(), sets.size(), launch}, timing)];
  return {found[fastest], fastest + 1, found.size()};
}

}  // namespace moecal::kernels
