// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <functional>
#include <string>

#include "core/units.hpp"
#include "runtime/stream.hpp"

/// Which of a library's ways to compute the same is the fastest here. For .cpp files of CUDA
/// backends.
namespace moecal::kernels {

/// How thoroughly candidates are timed: the least of `timings` batches of about `seconds` (one,
/// where a launch takes ten times that), after a launch that loads the kernel; those much slower
/// than the best so far are given up early. An event resolves half a microsecond. The device starts
/// a batch when all of it is enqueued.
struct CandidateTiming {
  int candidates = 16;  // that the library is asked for
  Seconds seconds{3e-4};
  int timings = 2;
};
/// Of a product that is timed by itself.
inline constexpr CandidateTiming kTimingOfOne{};
/// Of products around which a layer or attention has others: a choice is worth a few milliseconds,
/// not the tens of one product's own.
inline constexpr CandidateTiming kTimingOfSeveral{.candidates = 8, .seconds = Seconds{2e-4}};

/// What there is to choose from: at least one, on buffers that are overwritten.
struct Candidates {
  std::string name;       // "cuBLASLt's candidate algorithms"
  std::size_t count = 0;  // of candidates
  std::size_t sets = 1;   // of buffers: every launch goes on the next
  /// Enqueues one launch of a candidate. @throws Error if the library refuses it.
  std::function<void(std::size_t candidate, std::size_t set, Stream stream)> launch;
};

/// Times the candidates one after the other, every launch on the next of the buffer sets, so that
/// they are ranked with as cold a cache as the point is measured with; one alone is not timed.
/// @throws Error if none of them runs, with the last refusal.
[[nodiscard]] std::size_t fastest_candidate(const Candidates& candidates,
                                            const CandidateTiming& timing);

}  // namespace moecal::kernels
