// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "kernels/element.cuh"
#include "kernels/topk_gate/held_choices.cuh"
#include "kernels/warp.cuh"
#include "runtime/launch.cuh"

// Choosing a token's experts. A card that reads 4 TB/s has time for a few instructions per logit.
// So a token is shared by as few threads as read memory well, and of the logits, which are read
// once, only the highest of every chunk of 16 bytes is kept, and the highest of every four chunks:
// a turn compares those, and reads again the one chunk that it takes an expert from.
namespace moecal::kernels {

/// That a multiprocessor is to hold: leaves 64 registers to a thread. Unasked, ptxas takes 40 for
/// some architectures, and spills.
inline constexpr int kChooseBlocks = 8;
/// What no expert scores: marks one that is taken, or that does not exist.
inline constexpr float kTaken = -INFINITY;

/// fmaxf returns the number where the other operand is NaN.
__device__ inline float score_of(float logit) { return fmaxf(logit, -FLT_MAX); }

/// The highest scores left of four neighbouring chunks of a thread.
inline constexpr int kGroupChunks = 4;
struct alignas(16) ChunkGroup {
  float best[kGroupChunks];

  [[nodiscard]] __device__ float highest() const {
    return fmaxf(fmaxf(best[0], best[1]), fmaxf(best[2], best[3]));
  }
};

/// What one of the kLanes neighbouring threads of a token has of its scores: every kLanes-th chunk
/// of 16 bytes, kElements in all. kWhole: rows consist of whole, aligned chunks.
template <class T, int kLanes, int kElements, bool kWhole>
class ShareOfScores {
 public:
  static constexpr int kChunk = kElementsPer16Bytes<T>;
  static constexpr int kChunks = kElements / kChunk;
  static constexpr int kGroups = (kChunks + kGroupChunks - 1) / kGroupChunks;

  /// Registers have no numbers, so what is found by number lies here. Each thread has its own.
  struct Groups {
    ChunkGroup best[kGroups][kChooseThreads];
    unsigned taken[kGroups][kChooseThreads];  // 8 bits of each chunk
  };

  /// `logits` and `experts` are the token's.
  __device__ ShareOfScores(const T* logits, int experts, Groups& groups)
      : first_{static_cast<int>(threadIdx.x) % kLanes * kChunk},
        logits_{logits + first_},
        experts_{experts - first_},
        groups_{groups} {
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      ChunkGroup best;
#pragma unroll
      for (int i = 0; i < kGroupChunks; ++i) best.best[i] = highest_of(group * kGroupChunks + i);
      highest_[group] = best.highest();
      groups_.best[group][threadIdx.x] = best;
      groups_.taken[group][threadIdx.x] = 0;
    }
  }

  struct Best {
    float score;
    int group;
    ChunkGroup of_group;
    int chunk;  // of the group
  };
  /// The highest score left, in the chunk of the lowest experts that has it.
  [[nodiscard]] __device__ Best best() const {
    float score = highest_[0];
    int group = 0;
#pragma unroll
    for (int i = 1; i < kGroups; ++i)
      if (highest_[i] > score) {
        score = highest_[i];
        group = i;
      }
    Best best{score, group, groups_.best[group][threadIdx.x], 0};
#pragma unroll
    for (int chunk = kGroupChunks - 1; chunk >= 0; --chunk)
      if (best.of_group.best[chunk] == score) best.chunk = chunk;
    return best;
  }

  /// The first expert of its chunk.
  [[nodiscard]] __device__ int first_of(const Best& best) const { return first_ + offset_of(best); }

  /// Takes the lowest expert of best(), and returns it.
  __device__ int take(const Best& best) {
    unsigned& taken = groups_.taken[best.group][threadIdx.x];
    float scores[kChunk];
    load(offset_of(best), scores);
    const unsigned taken_of_chunk = taken >> (8 * best.chunk);
    int chosen = 0;
#pragma unroll
    for (int i = kChunk - 1; i >= 0; --i) {
      scores[i] = (taken_of_chunk >> i & 1U) != 0 ? kTaken : scores[i];
      if (scores[i] == best.score) chosen = i;
    }
    taken |= 1U << (8 * best.chunk + chosen);
    float left = kTaken;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) left = fmaxf(left, i == chosen ? kTaken : scores[i]);
    set_highest(best, left);
    return first_of(best) + chosen;
  }

 private:
  /// How far a chunk lies behind the thread's first.
  [[nodiscard]] __device__ static constexpr int offset_of_chunk(int chunk) {
    return chunk * kLanes * kChunk;
  }
  [[nodiscard]] __device__ static int offset_of(const Best& best) {
    return offset_of_chunk(best.group * kGroupChunks + best.chunk);
  }

  /// kTaken where there is no such chunk.
  [[nodiscard]] __device__ float highest_of(int chunk) const {
    if (chunk >= kChunks || offset_of_chunk(chunk) >= experts_) return kTaken;
    float logits[kChunk];
    read(offset_of_chunk(chunk), logits);
    float highest = -FLT_MAX;  // of NaN alone
#pragma unroll
    for (int i = 0; i < kChunk; ++i) highest = fmaxf(highest, logits[i]);
    return highest;
  }

  __device__ void set_highest(Best of, float score) {
#pragma unroll
    for (int chunk = 0; chunk < kGroupChunks; ++chunk)
      of.of_group.best[chunk] = chunk == of.chunk ? score : of.of_group.best[chunk];
    groups_.best[of.group][threadIdx.x] = of.of_group;
    const float highest = of.of_group.highest();
#pragma unroll
    for (int i = 0; i < kGroups; ++i) highest_[i] = i == of.group ? highest : highest_[i];
  }

  /// The scores of a chunk; kTaken beyond the last expert.
  __device__ void load(int offset, float (&scores)[kChunk]) const {
    read(offset, scores);
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      scores[i] = kWhole || offset + i < experts_ ? score_of(scores[i]) : kTaken;
  }

  /// Its logits; NaN beyond the last expert.
  __device__ void read(int offset, float (&logits)[kChunk]) const {
    if constexpr (kWhole) {
      load_floats<kChunk>(logits_ + offset, logits);
    } else {
#pragma unroll
      for (int i = 0; i < kChunk; ++i)
        logits[i] = offset + i < experts_ ? widen(logits_[offset + i]) : NAN;
    }
  }

  int first_;        // expert of this thread's
  const T* logits_;  // from that one on
  int experts_;      // from that one on
  Groups& groups_;
  float highest_[kGroups];
};

/// The next choice of a token and its score, for all of its threads: every lane of the warp takes
/// part.
template <int kLanes, class Share>
__device__ int choose_next(Share& share, float& score) {
  const auto best = share.best();
  score = over_lanes<kLanes>(best.score, Largest{});
  constexpr int kNowhere = 1 << 30;
  const int place = best.score == score ? share.first_of(best) : kNowhere;
  const int lowest = over_lanes<kLanes>(place, Smallest{});
  int expert = 0;
  if (place == lowest) expert = share.take(best);
  return kLanes == 1
             ? expert
             : __shfl_sync(kAllLanes, expert, lowest / Share::kChunk & (kLanes - 1), kLanes);
}

/// What weights are multiplied with so that they sum to 1, of the sums of a token's threads.
template <int kLanes>
__device__ float scale_of(float sum) {
  return 1 / fmaxf(over_lanes<kLanes>(sum, Sum{}), FLT_MIN);
}

// Threads past the last token choose for the last one too, since the shuffles need whole warps.
template <class T, int kLanes, int kElements, bool kWhole>
__global__ void __launch_bounds__(kChooseThreads, kChooseBlocks)
    choose_experts(ChoiceOfExperts gate) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const std::int64_t token =
      std::int64_t{blockIdx.x} * (kChooseThreads / kLanes) + static_cast<int>(threadIdx.x) / kLanes;
  const bool has_token = token < gate.tokens;
  const std::int64_t read_token = has_token ? token : gate.tokens - 1;
  using Share = ShareOfScores<T, kLanes, kElements, kWhole>;
  __shared__ typename Share::Groups groups;
  __shared__ HeldChoices<kLanes> held;
  Share share{static_cast<const T*>(gate.logits) + read_token * gate.experts, gate.experts, groups};
  float highest = 0;
  float sum = 0;
  for (int first = 0; first < gate.top_k; first += kHeldChoices) {
    const int left = gate.top_k - first;
    const int count = left < kHeldChoices ? left : kHeldChoices;
    for (int i = 0; i < count; ++i) {
      float score;
      const int expert = choose_next<kLanes>(share, score);
      if (first + i == 0) highest = score;
      held.hold(i, lane, expert, score);
    }
    sum += held.weigh(gate, count, lane, highest);
    const float scale = gate.top_k <= kHeldChoices ? scale_of<kLanes>(sum) : 1;
    if (has_token) held.write(gate, token * gate.top_k + first, count, lane, scale);
  }
  if (gate.top_k <= kHeldChoices) return;
  // More choices than are held are scaled when all of them are known.
  const float scale = scale_of<kLanes>(sum);
  if (has_token) held.scale_written(gate, token, lane, scale);
}

template <class T, int kLanes, int kElements>
void launch_choose_experts_with(const ChoiceOfExperts& gate, Stream stream) {
  constexpr int kTokensPerBlock = kChooseThreads / kLanes;
  const bool whole = reinterpret_cast<std::uintptr_t>(gate.logits) % 16 == 0 &&
                     gate.experts % kElementsPer16Bytes<T> == 0;
  const auto blocks = static_cast<unsigned>((gate.tokens + kTokensPerBlock - 1) / kTokensPerBlock);
  launch({.what = "choose experts",
          .grid = dim3{blocks, 1, 1},
          .block = dim3{kChooseThreads, 1, 1},
          .stream = stream},
         whole ? choose_experts<T, kLanes, kElements, true>
               : choose_experts<T, kLanes, kElements, false>,
         gate);
}

/// One thread a token takes the fewest instructions, but each of its loads touches a line per
/// token. Rows of up to 128 bytes lie in neighbouring lines, of which the L1 looks up several at a
/// time. Of 256 bytes it may look up one: only many choices, whose turns cost more than that, are
/// worth it. Longer rows have time for the turns of two threads.
template <class T, int kExperts>
void launch_choose_experts_of(const ChoiceOfExperts& gate, Stream stream) {
  constexpr int kRowBytes = kExperts * static_cast<int>(sizeof(T));
  constexpr int kFewChoices = 4;
  if constexpr (kRowBytes > 128)
    if (kRowBytes > 256 || gate.top_k <= kFewChoices)
      return launch_choose_experts_with<T, 2, kExperts / 2>(gate, stream);
  if constexpr (kRowBytes <= 256) launch_choose_experts_with<T, 1, kExperts>(gate, stream);
}

/// Up to 512 experts.
template <class T>
void launch_choose_experts(const ChoiceOfExperts& gate, Stream stream) {
  if (gate.experts <= 8) return launch_choose_experts_of<T, 8>(gate, stream);
  if (gate.experts <= 16) return launch_choose_experts_of<T, 16>(gate, stream);
  if (gate.experts <= 32) return launch_choose_experts_of<T, 32>(gate, stream);
  if (gate.experts <= 64) return launch_choose_experts_of<T, 64>(gate, stream);
  if (gate.experts <= 128) return launch_choose_experts_of<T, 128>(gate, stream);
  if (gate.experts <= 256) return launch_choose_experts_of<T, 256>(gate, stream);
  launch_choose_experts_with<T, 4, 128>(gate, stream);
}

}  // namespace moecal::kernels
