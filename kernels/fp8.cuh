// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/element.cuh"
#include "kernels/quantize/quantize.hpp"
#include "kernels/row_grid.cuh"
#include "kernels/warp.cuh"

/// FP8 with scales in kernels: a thread works on chunks of 16 neighbouring elements, which are 16
/// bytes of FP8. Eight neighbouring lanes hold a block of 128.
namespace moecal::kernels {

inline constexpr int kChunk = 16;
inline constexpr int kLanesPerScaleBlock = static_cast<int>(kScaleBlock) / kChunk;

/// An FP8 format in device code.
template <Dtype kDtype>
struct Fp8Device;
template <>
struct Fp8Device<Dtype::fp8_e4m3> {
  static constexpr __nv_fp8_interpretation_t kFormat = __NV_E4M3;
  static constexpr float kLargest = 448.0F;
};
template <>
struct Fp8Device<Dtype::fp8_e5m2> {
  static constexpr __nv_fp8_interpretation_t kFormat = __NV_E5M2;
  static constexpr float kLargest = 57344.0F;
};

/// A chunk as it lies in memory. Held so while others are under way, it takes half the registers.
template <class T>
struct HeldChunk {
  static constexpr int kWords = kChunk / kElementsPer16Bytes<T>;
  uint4 words[kWords];
};

/// Chunks of 16-bit elements that a thread has under way: 64 bytes. Of kRows rows each, or of
/// one: short rows have too few for all threads.
inline constexpr int kHeldChunks = 2;
template <int kRows>
inline constexpr PerThread kChunksOfRows{kRows, kHeldChunks / kRows};

// Blocks that a multiprocessor is to hold, so that 64 KiB of loads are under way on it; fewer where
// some architecture would spill registers.
template <class T, bool kAligned, int kRows = 1>
inline constexpr int kCastBlocks = !kAligned                                 ? 1
                                   : sizeof(T) == sizeof(float) || kRows > 1 ? 3
                                                                             : 4;

struct ChunkPlace {
  std::int64_t row;
  int chunk;  // of the row
};

/// Where the calling thread's chunk of that number lies in the pass that begins with chunk `first`.
template <int kRows>
__device__ ChunkPlace place_of_chunk(int first, int number) {
  return {row_of_thread<kRows>(number % kRows),
          first + static_cast<int>(blockDim.x * (number / kRows) + threadIdx.x)};
}

/// Reads a chunk of which `available` elements exist; the others are 0. kAligned: `from` is at a
/// multiple of 16 bytes, and all of a chunk's elements exist or none.
template <bool kAligned, class T>
__device__ HeldChunk<T> hold_chunk(const T* from, std::int64_t available) {
  HeldChunk<T> held{};
  if constexpr (kAligned) {
    if (available <= 0) return held;
#pragma unroll
    for (int i = 0; i < HeldChunk<T>::kWords; ++i)
      held.words[i] = reinterpret_cast<const uint4*>(from)[i];
  } else {
    T elements[kChunk];
#pragma unroll
    for (int i = 0; i < kChunk; ++i) {
      elements[i] = T{};
      if (i < available) elements[i] = from[i];
    }
    memcpy(held.words, elements, sizeof elements);
  }
  return held;
}

template <class T>
__device__ void widen_chunk(const HeldChunk<T>& held, float (&values)[kChunk]) {
#pragma unroll
  for (int i = 0; i < HeldChunk<T>::kWords; ++i)
    widen_word<T>(held.words[i], values + i * kElementsPer16Bytes<T>);
}

/// Both.
template <bool kAligned, class T>
__device__ void load_chunk(const T* from, std::int64_t available, float (&values)[kChunk]) {
  widen_chunk(hold_chunk<kAligned>(from, available), values);
}

/// The largest finite magnitude; 0 if there is none.
__device__ inline float amax_of_chunk(const float (&values)[kChunk]) {
  float amax = 0;
#pragma unroll
  for (int i = 0; i < kChunk; ++i) {
    const float magnitude = fabsf(values[i]);
    if (magnitude <= FLT_MAX) amax = fmaxf(amax, magnitude);
  }
  return amax;
}

/// Over the lanes that hold a block, on each of them.
__device__ inline float amax_of_block(const float (&values)[kChunk]) {
  return over_lanes<kLanesPerScaleBlock>(amax_of_chunk(values), Largest{});
}

/// How values of this amax are scaled: value x factor is stored, stored x scale is the value.
struct ScaleFactors {
  float factor;
  float scale;
};

template <Dtype kTo>
__device__ ScaleFactors factors_of(float amax) {
  const float at_least = fmaxf(amax, kSmallestAmax);
  return {Fp8Device<kTo>::kLargest / at_least, at_least / Fp8Device<kTo>::kLargest};
}

/// A chunk scaled, as it will lie in memory.
template <Dtype kTo>
__device__ uint4 pack_chunk(float factor, const float (&values)[kChunk]) {
  std::uint16_t pairs[kChunk / 2];
#pragma unroll
  for (int i = 0; i < kChunk / 2; ++i) {
    const float2 pair{values[2 * i] * factor, values[2 * i + 1] * factor};
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, Fp8Device<kTo>::kFormat);
  }
  uint4 packed;
  memcpy(&packed, pairs, sizeof packed);
  return packed;
}

/// Writes the `available` elements of a chunk. kAligned: as for hold_chunk, of `to`.
template <bool kAligned>
__device__ void store_packed(std::uint8_t* to, std::int64_t available, const uint4& packed) {
  if constexpr (kAligned) {
    if (available > 0) *reinterpret_cast<uint4*>(to) = packed;
  } else {
    std::uint8_t bytes[kChunk];
    memcpy(bytes, &packed, sizeof packed);
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      if (i < available) to[i] = bytes[i];
  }
}

/// Both.
template <bool kAligned, Dtype kTo>
__device__ void store_chunk(std::uint8_t* to, std::int64_t available, float factor,
                            const float (&values)[kChunk]) {
  store_packed<kAligned>(to, available, pack_chunk<kTo>(factor, values));
}

}  // namespace moecal::kernels
