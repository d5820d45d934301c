// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/candidate_choice.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"
#include "runtime/stream_hold.hpp"

namespace moecal::kernels {
namespace {

// A split-K product is a kernel that clears, one that multiplies and one that adds up.
constexpr int kMostLaunches = kMostHeld / 3;
constexpr Seconds kNever{std::numeric_limits<double>::infinity()};
// A candidate so much slower than the best so far is not timed to the end. The pause around a batch
// is no part of its launches.
constexpr double kHopeless = 1.3;
constexpr Seconds kPause{20e-6};
// A launch that takes so many times what a timing asks for is timed once.
constexpr double kLong = 10;

class Timer {
 public:
  explicit Timer(const Candidates& candidates) : candidates_{candidates} {}

  // Per launch; infinite if the library refuses it, and why. A kernel's first launch also loads it,
  // so it tells nothing of how many launches a timing needs.
  Seconds time_of(std::size_t candidate, const CandidateTiming& timing, Seconds best,
                  std::string& refusal) {
    try {
      (void)events_around(candidate, 1);
      int launches = 1;
      Seconds total = time_of(candidate, launches);
      while (total < timing.seconds && launches < kMostLaunches) {
        if (total > kHopeless * launches * best + kPause) break;
        total = time_of(candidate, launches = std::min(2 * launches, kMostLaunches));
      }
      if (total > kHopeless * launches * best + kPause) return total / launches;
      const int timings = total > kLong * timing.seconds ? 1 : timing.timings;
      for (int repeat = 1; repeat < timings; ++repeat)
        total = std::min(total, time_of(candidate, launches));
      return total / launches;
    } catch (const Error& error) {
      refusal = error.what();
      return kNever;
    }
  }

 private:
  // Of that many launches, one after the other, and without the gaps between them: short kernels
  // would else all take what the host does.
  Seconds time_of(std::size_t candidate, int launches) {
    // Twice, for a host that was kept from its work once: candidates are compared with one another.
    for (int trial = 0; trial < 2 && can_hold_; ++trial) {
      const Seconds held = held_events_around(candidate, launches);
      if (!hold_.lapsed()) return held;
      can_hold_ = trial == 0;
    }
    return events_around(candidate, launches);
  }
  Seconds held_events_around(std::size_t candidate, int launches) {
    {
      const StreamHold::Held held{hold_, stream_.get()};
      enqueue(candidate, launches);
    }
    return waited_for();
  }
  Seconds events_around(std::size_t candidate, int launches) {
    enqueue(candidate, launches);
    return waited_for();
  }
  void enqueue(std::size_t candidate, int launches) {
    start_.record(stream_.get());
    for (int i = 0; i < launches; ++i)
      candidates_.launch(candidate, next_set_++ % candidates_.sets, stream_.get());
    stop_.record(stream_.get());
  }
  [[nodiscard]] Seconds waited_for() const {
    stop_.synchronize();
    return elapsed(start_, stop_);
  }

  const Candidates& candidates_;
  std::size_t next_set_ = 0;
  CudaStream stream_;
  CudaEvent start_, stop_;
  StreamHold hold_;
  bool can_hold_ = true;
};

}  // namespace

std::size_t fastest_candidate(const Candidates& candidates, const CandidateTiming& timing) {
  if (candidates.count == 1) return 0;
  Timer timer{candidates};
  std::size_t fastest = candidates.count;
  Seconds best = kNever;
  std::string refusal;
  for (std::size_t candidate = 0; candidate < candidates.count; ++candidate) {
    const Seconds time = timer.time_of(candidate, timing, best, refusal);
    if (time >= best) continue;
    best = time;
    fastest = candidate;
  }
  if (fastest == candidates.count)
    throw Error{"none of " + candidates.name + " ran; the last: " + refusal};
  return fastest;
}

}  // namespace moecal::kernels
