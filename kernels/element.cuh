// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "core/narrow_float.hpp"

/// Floating-point elements in kernels: arithmetic is in f32, memory is read and written 16 bytes at
/// a time.
namespace moecal::kernels {

/// The device's type for a host type of core/narrow_float.hpp.
template <class HostType>
struct DeviceTypeOf;
template <>
struct DeviceTypeOf<float> {
  using type = float;
};
template <>
struct DeviceTypeOf<Float16> {
  using type = __half;
};
template <>
struct DeviceTypeOf<BFloat16> {
  using type = __nv_bfloat16;
};
template <class HostType>
using DeviceType = typename DeviceTypeOf<HostType>::type;

__device__ inline float widen(float value) { return value; }
__device__ inline float widen(__half value) { return __half2float(value); }
__device__ inline float widen(__nv_bfloat16 value) { return __bfloat162float(value); }

__device__ inline void narrow(float value, float& to) { to = value; }
__device__ inline void narrow(float value, __half& to) { to = __float2half_rn(value); }
__device__ inline void narrow(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

template <class T>
inline constexpr int kElementsPer16Bytes = 16 / static_cast<int>(sizeof(T));

/// The elements that 16 bytes hold. By value: through a reference into memory, memcpy would make a
/// load of each byte.
template <class T>
__device__ void widen_word(uint4 word, float* values) {
  T elements[kElementsPer16Bytes<T>];
  memcpy(elements, &word, sizeof word);
#pragma unroll
  for (int i = 0; i < kElementsPer16Bytes<T>; ++i) values[i] = widen(elements[i]);
}

/// Reads kCount elements; `from` is aligned to 16 bytes if kCount elements fill them.
template <int kCount, class T>
__device__ void load_floats(const T* from, float (&values)[kCount]) {
  if constexpr (kCount % kElementsPer16Bytes<T> == 0) {
    constexpr int kWords = kCount / kElementsPer16Bytes<T>;
#pragma unroll
    for (int word = 0; word < kWords; ++word)
      widen_word<T>(reinterpret_cast<const uint4*>(from)[word],
                    values + word * kElementsPer16Bytes<T>);
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = widen(from[i]);
  }
}

/// Writes kCount elements, rounded to nearest; alignment as for load_floats.
template <int kCount, class T>
__device__ void store_floats(T* to, const float (&values)[kCount]) {
  T elements[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) narrow(values[i], elements[i]);
  if constexpr (kCount % kElementsPer16Bytes<T> == 0) {
    constexpr int kWords = kCount / kElementsPer16Bytes<T>;
    uint4 bytes[kWords];
    memcpy(bytes, elements, sizeof bytes);
#pragma unroll
    for (int word = 0; word < kWords; ++word) reinterpret_cast<uint4*>(to)[word] = bytes[word];
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = elements[i];
  }
}

}  // namespace moecal::kernels
