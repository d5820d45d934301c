// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cmath>

/// Reductions within a warp.
namespace moecal::kernels {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffffU;

struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
  __device__ int operator()(int a, int b) const { return a > b ? a : b; }
};
struct Smallest {
  __device__ int operator()(int a, int b) const { return a < b ? a : b; }
};
struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};

/// `value` combined over every kLanes neighbouring lanes (a power of two), on each of them. All
/// lanes of the warp call it together.
template <int kLanes = kWarpSize, class T, class Combine>
__device__ T over_lanes(T value, Combine combine) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value = combine(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

}  // namespace moecal::kernels
