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

/// Reads a chunk of which `available` elements exist; the others are 0. kAligned: `from` is at a
/// multiple of 16 bytes.
template <bool kAligned, class T>
__device__ void load_chunk(const T* from, std::int64_t available, float (&values)[kChunk]) {
  if (kAligned && available >= kChunk) {
    load_floats<kChunk>(from, values);
  } else {
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[i] = i < available ? widen(from[i]) : 0.0F;
  }
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
  float amax = amax_of_chunk(values);
#pragma unroll
  for (int distance = kLanesPerScaleBlock / 2; distance > 0; distance /= 2)
    amax = fmaxf(amax, __shfl_xor_sync(0xffffffffU, amax, distance));
  return amax;
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

/// Writes the `available` elements of a chunk, scaled. kAligned: as for load_chunk, of `to`.
template <bool kAligned, Dtype kTo>
__device__ void store_chunk(std::uint8_t* to, std::int64_t available, float factor,
                            const float (&values)[kChunk]) {
  std::uint16_t pairs[kChunk / 2];
#pragma unroll
  for (int i = 0; i < kChunk / 2; ++i) {
    const float2 pair{values[2 * i] * factor, values[2 * i + 1] * factor};
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, Fp8Device<kTo>::kFormat);
  }
  if (kAligned && available >= kChunk) {
    uint4 bytes;
    memcpy(&bytes, pairs, sizeof bytes);
    *reinterpret_cast<uint4*>(to) = bytes;
  } else {
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      if (i < available) to[i] = static_cast<std::uint8_t>(pairs[i / 2] >> (8 * (i % 2)));
  }
}

}  // namespace moecal::kernels
