// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>

#include "kernels/element.cuh"
#include "kernels/topk_gate/best_of_chunks.cuh"
#include "kernels/warp.cuh"

namespace moecal::kernels {

/// What one of the kLanes neighbouring threads of a token has of its f32 scores: every kLanes-th
/// chunk of 16 bytes, kElements in all.
template <int kLanes, int kElements>
class ShareOfScores {
 public:
  static constexpr int kChunk = kElementsPer16Bytes<float>;
  static constexpr int kChunks = kElements / kChunk;

  using Bests = BestOfChunks<float, kChunks>;
  static constexpr int kTakenWords = (kChunks + 7) / 8;
  struct Memory {
    Bests best;
    unsigned taken[kTakenWords][kChooseThreads];  // 4 bits of each of eight chunks
  };

  /// `logits`: the thread's first chunk.
  __device__ ShareOfScores(const uint4* logits, int experts, Memory& memory)
      : first_{static_cast<int>(threadIdx.x) % kLanes * kChunk}, logits_{logits}, memory_{memory} {
    Four<float> chunks[Bests::kGroups];  // all are read before the first is written
#pragma unroll
    for (int group = 0; group < Bests::kGroups; ++group)
#pragma unroll
      for (int i = 0; i < 4; ++i) chunks[group].of[i] = highest_of(group * 4 + i, experts);
    memory_.best.fill(chunks, kTaken);
#pragma unroll
    for (int i = 0; i < kTakenWords; ++i) memory_.taken[i][threadIdx.x] = 0;
    best_ = best_of(groups());
  }

  /// Of what is left of the token. All lanes of the warp call it together.
  [[nodiscard]] __device__ float highest_score() const {
    return over_lanes<kLanes>(best_.score, Largest{});
  }

  /// Takes the token's next: of the highest score left the lowest expert. All lanes of the warp
  /// call it together.
  __device__ Choice choose() {
    const float score = highest_score();
    const Four<float> chunks = memory_.best.chunks(best_.group);
    const unsigned chunk = best_.group * 4 + chunks.first_of(best_.score);
    constexpr int kNowhere = 1 << 30;
    const int place = best_.score == score ? first_of(chunk) : kNowhere;
    const int lowest = over_lanes<kLanes>(place, Smallest{});
    int expert = 0;
    if (place == lowest) expert = take(chunks, chunk);
    if constexpr (kLanes > 1)
      expert = __shfl_sync(kAllLanes, expert, lowest / kChunk & (kLanes - 1), kLanes);
    return {expert, score};
  }

 private:
  /// What no expert scores: marks one that is taken, and a chunk that does not exist.
  static constexpr float kTaken = -INFINITY;
  /// fmaxf returns the number where the other operand is NaN.
  __device__ static float score_of(float logit) { return fmaxf(logit, -FLT_MAX); }

  struct Groups {
    Four<float> four[Bests::kFours];
  };
  [[nodiscard]] __device__ Groups groups() const {
    Groups groups;
#pragma unroll
    for (int i = 0; i < Bests::kFours; ++i) groups.four[i] = memory_.best.groups(i);
    return groups;
  }

  struct Best {
    float score;
    unsigned group;
  };
  /// The highest score left, in the group of the lowest experts that has it.
  __device__ static Best best_of(const Groups& groups) {
    Best best{groups.four[0].highest(), 0};
    best.group = groups.four[0].first_of(best.score);
#pragma unroll
    for (int i = 1; i < Bests::kFours; ++i) {
      const float score = groups.four[i].highest();
      const unsigned group = i * 4 + groups.four[i].first_of(score);
      best = score > best.score ? Best{score, group} : best;
    }
    return best;
  }

  /// Takes the lowest expert of a chunk that has the best score, and returns it. `chunks` are those
  /// of the chunk's group. What is written is not read back: a warp would wait for it.
  __device__ int take(const Four<float>& chunks, unsigned chunk) {
    Groups groups = this->groups();
    unsigned& taken = memory_.taken[chunk / 8][threadIdx.x];
    const unsigned first_bit = chunk % 8 * kChunk;
    const unsigned taken_of_chunk = taken >> first_bit;
    float scores[kChunk];
    widen_word<float>(logits_[chunk * kLanes], scores);
    unsigned chosen = 0;
#pragma unroll
    for (int i = kChunk - 1; i >= 0; --i) {
      scores[i] = (taken_of_chunk >> i & 1U) != 0 ? kTaken : score_of(scores[i]);
      if (scores[i] == best_.score) chosen = static_cast<unsigned>(i);
    }
    taken |= 1U << (first_bit + chosen);
    float left = kTaken;
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      left = fmaxf(left, static_cast<unsigned>(i) == chosen ? kTaken : scores[i]);
    const float of_group = chunks.with(chunk % 4, left).highest();
    memory_.best.set(chunk, left, of_group);
#pragma unroll
    for (int i = 0; i < Bests::kFours; ++i)
      groups.four[i] = groups.four[i].with(best_.group - i * 4, of_group);
    best_ = best_of(groups);
    return first_of(chunk) + static_cast<int>(chosen);
  }

  /// The first expert of a chunk.
  [[nodiscard]] __device__ int first_of(unsigned chunk) const {
    return first_ + static_cast<int>(chunk) * kLanes * kChunk;
  }

  /// kTaken where there is no such chunk.
  [[nodiscard]] __device__ float highest_of(unsigned chunk, int experts) const {
    if (chunk >= kChunks || first_of(chunk) >= experts) return kTaken;
    float logits[kChunk];
    widen_word<float>(logits_[chunk * kLanes], logits);
    return score_of(fmaxf(fmaxf(logits[0], logits[1]), fmaxf(logits[2], logits[3])));
  }

  int first_;  // expert of this thread's
  const uint4* logits_;
  Memory& memory_;
  Best best_;
};

}  // namespace moecal::kernels
