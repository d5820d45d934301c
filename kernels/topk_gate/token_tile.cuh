// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "kernels/element.cuh"
#include "kernels/topk_gate/held_choices.cuh"
#include "kernels/warp.cuh"
#include "runtime/async_copy.cuh"

namespace moecal::kernels {

/// The logits of as many neighbouring tokens as a warp chooses for at a time, kLanes threads and up
/// to kLanes x kElements experts each, in shared memory: copied there in whole lines, read by
/// chunks of 16 bytes, kLanes neighbouring threads at neighbouring chunks.
template <class T, int kLanes, int kElements>
struct TokenTile {
  static constexpr int kTokens = kWarpSize / kLanes;
  static constexpr int kChunk = kElementsPer16Bytes<T>;
  static constexpr int kChunks = kLanes * kElements / kChunk;
  /// An odd multiple of kLanes: eight threads that read a chunk of their tokens find it in eight
  /// different banks.
  static constexpr int kStride = kLanes * (kElements / kChunk | 1);

  uint4 chunks[kTokens][kStride];

  /// Reads the tokens from `first` on; a row past the last token stays as it is. All lanes call it
  /// together, and find what it read.
  __device__ void fill(const ChoiceOfExperts& gate, std::int64_t first) {
    const std::int64_t left = gate.tokens - first;
    const int tokens = left < kTokens ? static_cast<int>(left) : kTokens;
    const T* from = static_cast<const T*>(gate.logits) + first * gate.experts;
    if (!gate.whole_chunks)
      copy_elements(from, tokens, gate.experts);
    else if (gate.experts == kChunks * kChunk && tokens == kTokens)
      copy_all(reinterpret_cast<const uint4*>(from));
    else
      copy_chunks(reinterpret_cast<const uint4*>(from), tokens, gate.experts / kChunk);
    wait_for_copies();
    __syncwarp();
  }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kWarpSize; }

  /// As many chunks of as many tokens as there is room for: all addresses are a constant apart.
  __device__ void copy_all(const uint4* from) {
    constexpr int kAtOnce = kChunks < kWarpSize ? kChunks : kWarpSize;
    uint4* to = &chunks[lane() / kAtOnce][lane() % kAtOnce];
#pragma unroll
    for (int i = 0; i < kTokens * kChunks; i += kWarpSize)
      copy_async(to + i / kChunks * kStride + i % kChunks, from + i + lane());
  }

  /// `count`: of a token.
  __device__ void copy_chunks(const uint4* from, int tokens, int count) {
    int token = lane() / count;
    int chunk = lane() % count;
    const int tokens_on = kWarpSize / count;
    const int chunks_on = kWarpSize % count;
#pragma unroll 1
    for (int i = lane(); i < tokens * count; i += kWarpSize) {
      copy_async(&chunks[token][chunk], from + i);
      token += tokens_on;
      chunk += chunks_on;
      if (chunk >= count) {
        chunk -= count;
        ++token;
      }
    }
  }

  /// Of rows that are not whole, aligned chunks: fills the last one with NaN, which comes behind
  /// every expert there is.
  __device__ void copy_elements(const T* from, int tokens, int experts) {
    for (int token = 0; token < tokens; token += kRowsAtOnce)
      for (int i = lane(); i < (experts + kChunk - 1) / kChunk * kChunk; i += kWarpSize)
        copy_column(from, token, tokens, experts, i);
  }
  /// All loads are on their way before the first is used.
  static constexpr int kRowsAtOnce = 8;
  __device__ void copy_column(const T* from, int first, int tokens, int experts, int i) {
    T elements[kRowsAtOnce];
    memset(elements, 0xff, sizeof elements);
#pragma unroll
    for (int row = 0; row < kRowsAtOnce; ++row)
      if (i < experts && first + row < tokens)
        elements[row] = from[std::int64_t{first + row} * experts + i];
#pragma unroll
    for (int row = 0; row < kRowsAtOnce; ++row)
      reinterpret_cast<T*>(chunks[first + row])[i] = elements[row];
  }
};

}  // namespace moecal::kernels
