// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cfloat>
#include <cstdint>
#include <type_traits>

#include "kernels/element.cuh"
#include "kernels/resident_blocks.cuh"
#include "kernels/topk_gate/held_choices.cuh"
#include "kernels/topk_gate/share_of_keys.cuh"
#include "kernels/topk_gate/share_of_scores.cuh"
#include "kernels/topk_gate/token_tile.cuh"
#include "kernels/warp.cuh"
#include "runtime/launch.cuh"

// Choosing tokens' experts. A card that reads 4 TB/s has time for a few instructions per logit, and
// must never wait for them. So each warp goes its own way: it copies a tile of tokens to shared
// memory, chooses, and copies its next one, and while some of a multiprocessor's warps choose, the
// copies of others are under way. A token is shared by few threads. Of its logits only the highest
// of every chunk of 16 bytes is kept, and the highest of every four chunks: a turn compares those,
// and reads again the one chunk that it takes an expert from.
namespace moecal::kernels {

template <class T, int kLanes, int kElements>
using ShareOf = std::conditional_t<sizeof(T) == 2, ShareOfKeys<T, kLanes, kElements>,
                                   ShareOfScores<kLanes, kElements>>;

/// What weights are multiplied with so that they sum to 1, of the sums of a token's threads.
template <int kLanes>
__device__ float scale_of(float sum) {
  return 1 / fmaxf(over_lanes<kLanes>(sum, Sum{}), FLT_MIN);
}

/// Chooses for a token that is shared by kLanes threads, and writes what they chose if there is
/// such a token: the shuffles need whole warps.
template <int kLanes, class Share>
__device__ void choose_for(const ChoiceOfExperts& gate, std::int64_t token, Share share,
                           HeldChoices<kLanes>& held) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const bool has_token = token < gate.tokens;
  const float highest = share.highest_score();
  float sum = 0;
  for (int first = 0; first < gate.top_k; first += kHeldChoices) {
    const int left = gate.top_k - first;
    const int count = left < kHeldChoices ? left : kHeldChoices;
    for (int i = 0; i < count; ++i) held.hold(i, lane, share.choose());
    const int own = lane * HeldChoices<kLanes>::kCount;
    auto weights = held.weigh(gate.scores, count - own, highest);
    sum += weights.sum();
    if (gate.top_k <= kHeldChoices) weights.scale(scale_of<kLanes>(sum));
    if (has_token) held.write(gate, token * gate.top_k + first + own, count - own, weights);
  }
  if (gate.top_k <= kHeldChoices) return;
  // More choices than are held are scaled when all of them are known.
  const float scale = scale_of<kLanes>(sum);
  if (has_token) held.scale_written(gate, token, lane, scale);
}

/// Warps that a multiprocessor is to have registers for: large tiles leave room for fewer.
template <class T, int kElements>
inline constexpr int kChooseBlocks = kElements * sizeof(T) > 128 ? 16 : 32;

// A block is one warp. It takes every gridDim.x-th tile.
template <class T, int kLanes, int kElements>
__global__ void __launch_bounds__(kChooseThreads, kChooseBlocks<T, kElements>)
    choose_experts(ChoiceOfExperts gate) {
  using Tile = TokenTile<T, kLanes, kElements>;
  using Share = ShareOf<T, kLanes, kElements>;
  __shared__ Tile tile;
  __shared__ typename Share::Memory memory;
  __shared__ HeldChoices<kLanes> held;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int own = static_cast<int>(threadIdx.x) / kLanes;
  for (std::int64_t first = std::int64_t{blockIdx.x} * Tile::kTokens; first < gate.tokens;
       first += std::int64_t{gridDim.x} * Tile::kTokens) {
    tile.fill(gate, first);
    choose_for<kLanes>(gate, first + own, Share{tile.chunks[own] + lane, gate.experts, memory},
                       held);
    __syncwarp();  // all have read the tile
  }
}

template <class T, int kLanes, int kElements>
void launch_choose_experts_with(const ChoiceOfExperts& gate, Stream stream) {
  constexpr int kTokens = TokenTile<T, kLanes, kElements>::kTokens;
  constexpr auto kKernel = choose_experts<T, kLanes, kElements>;
  const std::int64_t tiles = (gate.tokens + kTokens - 1) / kTokens;
  const std::int64_t resident = resident_blocks<kKernel>(kChooseThreads);
  launch({.what = "choose experts",
          .grid = dim3{static_cast<unsigned>(std::min(tiles, resident)), 1, 1},
          .block = dim3{kChooseThreads, 1, 1},
          .stream = stream},
         kKernel, gate);
}

/// One thread a token takes the fewest instructions. It has up to 32 chunks: a tile of more would
/// leave too few warps room on a multiprocessor.
template <class T>
void launch_choose_experts(const ChoiceOfExperts& gate, Stream stream) {
  constexpr int kMost = 512 / static_cast<int>(sizeof(T));
  if (gate.experts <= 8) return launch_choose_experts_with<T, 1, 8>(gate, stream);
  if (gate.experts <= 16) return launch_choose_experts_with<T, 1, 16>(gate, stream);
  if (gate.experts <= 32) return launch_choose_experts_with<T, 1, 32>(gate, stream);
  if (gate.experts <= 64) return launch_choose_experts_with<T, 1, 64>(gate, stream);
  if (gate.experts <= 128) return launch_choose_experts_with<T, 1, 128>(gate, stream);
  if (gate.experts <= 256) return launch_choose_experts_with<T, 256 / kMost, kMost>(gate, stream);
  launch_choose_experts_with<T, 512 / kMost, kMost>(gate, stream);
}

}  // namespace moecal::kernels
