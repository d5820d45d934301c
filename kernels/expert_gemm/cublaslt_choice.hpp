// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "core/units.hpp"
#include "kernels/expert_gemm/cublaslt_matmul.hpp"

/// Which of the heuristic's algorithms is the fastest here. For .cpp files of cuBLASLt backends.
namespace moecal::kernels {

/// An algorithm and where the heuristic had ranked it.
struct CublasLtChoice {
  CublasLtMatmul::Candidate candidate{};
  std::size_t rank = 0;     // from 1
  std::size_t offered = 0;  // candidates
};
/// "id=66 tile=20 ... rank=3/16".
[[nodiscard]] std::string describe(const CublasLtChoice& choice);

/// How thoroughly candidates are timed: the least of `timings` batches of about `seconds` (one,
/// where a launch takes ten times that), after a launch that loads the kernel; those much slower
/// than the best so far are given up early. An event resolves half a microsecond. The device starts
/// a batch when all of it is enqueued.
struct CublasLtTiming {
  int candidates = 16;
  Seconds seconds{3e-4};
  int timings = 2;
};

/// Times the candidates one after the other, every launch on the next of `sets` (buffers aligned
/// alike; their results are overwritten), so that they are ranked with as cold a cache as the point
/// is measured with; one alone is not timed.
/// @throws Unsupported if the heuristic has none, Error if none of them runs, with the last
/// refusal.
[[nodiscard]] CublasLtChoice choose_algorithm(const CublasLtMatmul& matmul,
                                              std::span<const CublasLtAddresses> sets,
                                              const CublasLtWorkspace& workspace,
                                              const CublasLtTiming& timing);

}  // namespace moecal::kernels
