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
  bool in_fours;  // a token's choices lie in whole, aligned fours
};

inline bool lie_in_fours(const std::int32_t* expert_of, const float* weight_of,
                         std::int64_t top_k) {
  return (reinterpret_cast<std::uintptr_t>(expert_of) |
          reinterpret_cast<std::uintptr_t>(weight_of)) %
                 16 ==
             0 &&
         top_k % 4 == 0;
}

inline constexpr int kChooseThreads = 128;
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

/// Writes the first `count` of them. in_one: that is all or none, and `to` is aligned to them.
template <class T, int kWide>
__device__ void write_neighbours(T* to, const Neighbours<T, kWide>& values, int count,
                                 bool in_one) {
  if (in_one) {
    if (count > 0) *reinterpret_cast<Neighbours<T, kWide>*>(to) = values;
    return;
  }
#pragma unroll
  for (int i = 0; i < kWide; ++i)
    if (i < count) to[i] = values.value[i];
}

/// Up to kHeldChoices of a token, spread over its threads: thread `lane` has kCount neighbouring
/// ones, from number lane x kCount on. In shared memory, for registers have no numbers: selecting
/// one by comparisons took more than two stores. Each thread has its own.
template <int kLanes>
struct HeldChoices {
  static constexpr int kCount = kHeldChoices / kLanes;
  static constexpr int kWide = kCount < 4 ? kCount : 4;
  int expert[kCount][kChooseThreads];
  float score[kCount][kChooseThreads];

  __device__ void hold(int number, int lane, int of_expert, float of_score) {
    if (number / kCount != lane) return;
    expert[number % kCount][threadIdx.x] = of_expert;
    score[number % kCount][threadIdx.x] = of_score;
  }
  /// Makes weights of the scores of the first `count`, and returns their sum over this thread's.
  __device__ float weigh(const ChoiceOfExperts& gate, int count, int lane, float highest) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (lane * kCount + i >= count) continue;
      float& held = score[i][threadIdx.x];
      held = weight_of(gate.scores, held, highest);
      sum += held;
    }
    return sum;
  }
  __device__ void write(const ChoiceOfExperts& gate, std::int64_t to, int count, int lane,
                        float scale) const {
#pragma unroll
    for (int first = 0; first < kCount; first += kWide) {
      const int number = lane * kCount + first;
      Neighbours<std::int32_t, kWide> experts;
      Neighbours<float, kWide> weights;
#pragma unroll
      for (int i = 0; i < kWide; ++i) {
        experts.value[i] = expert[first + i][threadIdx.x];
        weights.value[i] = score[first + i][threadIdx.x] * scale;
      }
      write_neighbours(gate.expert_of + to + number, experts, count - number, gate.in_fours);
      write_neighbours(gate.weight_of + to + number, weights, count - number, gate.in_fours);
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
