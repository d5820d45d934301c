// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include "kernels/topk_gate/held_choices.cuh"

namespace moecal::kernels {

__device__ inline float higher(float a, float b) { return fmaxf(a, b); }
__device__ inline int higher(int a, int b) { return a > b ? a : b; }

template <class Score>
struct alignas(16) Four {
  Score of[4];

  [[nodiscard]] __device__ Score highest() const {
    return higher(higher(of[0], of[1]), higher(of[2], of[3]));
  }
  /// The first that is `score`; one of them is.
  [[nodiscard]] __device__ unsigned first_of(Score score) const {
    unsigned first = 3;
#pragma unroll
    for (int i = 2; i >= 0; --i)
      if (of[i] == score) first = static_cast<unsigned>(i);
    return first;
  }
  /// With `score` in place of one: selected, for registers have no numbers.
  [[nodiscard]] __device__ Four with(unsigned number, Score score) const {
    Four four;
#pragma unroll
    for (int i = 0; i < 4; ++i) four.of[i] = static_cast<unsigned>(i) == number ? score : of[i];
    return four;
  }
};

/// The highest score left of each of a thread's chunks of logits, and of every four: a turn looks
/// at a few of them, and changes one. In shared memory; each thread has its own.
template <class Score, int kChunks>
struct BestOfChunks {
  static constexpr int kGroups = (kChunks + 3) / 4;
  static constexpr int kFours = (kGroups + 3) / 4;

  Four<Score> of_chunks[kGroups][kChooseThreads];
  Four<Score> of_groups[kFours][kChooseThreads];

  [[nodiscard]] __device__ const Four<Score>& chunks(unsigned group) const {
    return of_chunks[group][threadIdx.x];
  }
  [[nodiscard]] __device__ const Four<Score>& groups(unsigned four) const {
    return of_groups[four][threadIdx.x];
  }
  /// Sets all; `none` of groups that do not exist. Returns the highest.
  __device__ Score fill(const Four<Score> (&chunks)[kGroups], Score none) {
    Score highest = none;
#pragma unroll
    for (int four = 0; four < kFours; ++four) {
      Four<Score> groups;
#pragma unroll
      for (int i = 0; i < 4; ++i)
        groups.of[i] = four * 4 + i < kGroups ? chunks[four * 4 + i].highest() : none;
      of_groups[four][threadIdx.x] = groups;
      highest = higher(highest, groups.highest());
    }
#pragma unroll
    for (int group = 0; group < kGroups; ++group) of_chunks[group][threadIdx.x] = chunks[group];
    return highest;
  }
  __device__ void set(unsigned chunk, Score of_chunk, Score of_group) {
    of_chunks[chunk / 4][threadIdx.x].of[chunk % 4] = of_chunk;
    of_groups[chunk / 16][threadIdx.x].of[chunk / 4 % 4] = of_group;
  }
};

}  // namespace moecal::kernels
