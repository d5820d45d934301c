// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include "runtime/global_timer.cuh"
#include "runtime/hold_words.hpp"
#include "runtime/launch.cuh"

namespace moecal {
namespace {

// Between two readings of the host's word: no longer than a launch, and no load on the bus.
constexpr unsigned kNanosecondsAsleep = 500;

// One thread. Volatile: the host's word changes while it is read.
__global__ void hold(volatile HoldWords* words, std::uint32_t number,
                     unsigned long long longest_ns) {
  const unsigned long long start = nanoseconds_now();
  while (words->released < number) {
    if (nanoseconds_now() - start >= longest_ns) {
      words->lapsed = number;
      __threadfence_system();
      return;
    }
    __nanosleep(kNanosecondsAsleep);
  }
}

}  // namespace

void enqueue_hold(HoldWords* words, std::uint32_t number, Seconds longest, Stream stream) {
  launch({.what = "a hold of a stream", .grid = dim3{1}, .block = dim3{1}, .stream = stream}, hold,
         static_cast<volatile HoldWords*>(words), number,
         static_cast<unsigned long long>(1e9 * longest.count()));
}

}  // namespace moecal
