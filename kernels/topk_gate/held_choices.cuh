// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "kernels/topk_gate/topk_gate.hpp"

// What choose_experts (choose_experts.cuh) has chosen and not yet written.
namespace moecal::kernels {

struct ChoiceOfExperts {
  const void* logits;       // [tokens, experts]
  std::int32_t* expert_of;  // [tokens, top_k]
  float* weight_of;         // [tokens, top_k]
  std::int64_t tokens;
  int experts;
  int top_k;
  GateScores scores;
  bool whole_chunks;  // rows of logits are whole, aligned chunks of 16 bytes
  bool in_fours;      // a token's choices lie in whole, aligned fours
};

struct Choice {
  int expert;
  float score;
};

inline bool lie_in_fours(const std::int32_t* expert_of, const float* weight_of,
                         std::int64_t top_k) {
  return (reinterpret_cast<std::uintptr_t>(expert_of) |
          reinterpret_cast<std::uintptr_t>(weight_of)) %
                 16 ==
             0 &&
         top_k % 4 == 0;
}

inline constexpr int kChooseThreads = 32;
/// Choices of a token that its threads hold until they are written together.
inline constexpr int kHeldChoices = 8;

/// Not yet scaled. Infinity counts as the largest float, so that no difference is NaN.
__device__ inline float weight_of(GateScores kind, float score, float highest) {
  score = fminf(score, FLT_MAX);
  return kind == GateScores::softmax ? expf(score - fminf(highest, FLT_MAX))
                                     : 1 / (1 + expf(-score));
}

/// kWide values that are written in one access.
template <class T, int kWide>
struct alignas(kWide * sizeof(T)) Neighbours {
  T value[kWide];
};

/// Writes the first `count` of kWide. in_one: that is all or none, and `to` is aligned to them.
template <int kWide, class T>
__device__ void write_neighbours(T* to, const T* values, int count, bool in_one) {
  if (in_one) {
    Neighbours<T, kWide> neighbours;
#pragma unroll
    for (int i = 0; i < kWide; ++i) neighbours.value[i] = values[i];
    if (count > 0) *reinterpret_cast<Neighbours<T, kWide>*>(to) = neighbours;
    return;
  }
#pragma unroll
  for (int i = 0; i < kWide; ++i)
    if (i < count) to[i] = values[i];
}

template <int kCount>
struct Weights {
  float of[kCount];

  [[nodiscard]] __device__ float sum() const {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum += of[i];
    return sum;
  }
  __device__ void scale(float by) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) of[i] *= by;
  }
};

/// Up to kHeldChoices of a token, spread over its threads: thread `lane` has kCount neighbouring
/// ones, from number lane x kCount on. In shared memory, for registers have no numbers: selecting
/// one by comparisons took more than two stores. Each thread has its own.
template <int kLanes>
struct HeldChoices {
  static constexpr int kCount = kHeldChoices / kLanes;
  static constexpr int kWide = kCount < 4 ? kCount : 4;
  int expert[kCount][kChooseThreads];
  float score[kCount][kChooseThreads];

  __device__ void hold(int number, int lane, const Choice& choice) {
    const int own = number - lane * kCount;
    if (kLanes > 1 && (own < 0 || own >= kCount)) return;
    expert[own][threadIdx.x] = choice.expert;
    score[own][threadIdx.x] = choice.score;
  }
  /// Of this thread's first `count` choices, not yet scaled; 0 of others. kWide are made together,
  /// for a warp waits for each step of one.
  __device__ Weights<kCount> weigh(GateScores kind, int count, float highest) const {
    Weights<kCount> weights{};
#pragma unroll
    for (int first = 0; first < kCount; first += kWide) {
      if (first >= count) continue;
#pragma unroll
      for (int i = first; i < first + kWide; ++i)
        weights.of[i] = weight_of(kind, i < count ? score[i][threadIdx.x] : -INFINITY, highest);
    }
    return weights;
  }
  /// Writes this thread's first `count` choices behind the first `to` of all.
  __device__ void write(const ChoiceOfExperts& gate, std::int64_t to, int count,
                        const Weights<kCount>& weights) const {
    std::int32_t* const expert_of = gate.expert_of + to;
    float* const weight_of = gate.weight_of + to;
    std::int32_t experts[kCount];  // all are read before the first is written
#pragma unroll
    for (int i = 0; i < kCount; ++i) experts[i] = expert[i][threadIdx.x];
#pragma unroll
    for (int i = 0; i < kCount; i += kWide) {
      write_neighbours<kWide>(expert_of + i, experts + i, count - i, gate.in_fours);
      write_neighbours<kWide>(weight_of + i, weights.of + i, count - i, gate.in_fours);
    }
  }
  /// Multiplies what this thread wrote of all choices of a token.
  __device__ static void scale_written(const ChoiceOfExperts& gate, std::int64_t token, int lane,
                                       float scale) {
    for (int first = lane * kCount; first < gate.top_k; first += kHeldChoices)
      for (int number = first; number < first + kCount && number < gate.top_k; ++number)
        gate.weight_of[token * gate.top_k + number] *= scale;
  }
};

}  // namespace moecal::kernels
