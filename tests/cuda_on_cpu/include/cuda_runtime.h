// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "tests/cuda_on_cpu/block.hpp"
#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

// The part of CUDA's device language that moecal's kernels use, for g++: found instead of CUDA's
// own cuda_runtime.h by the include path of the tests that run kernels on the CPU. The names are
// CUDA's. NOLINTBEGIN(bugprone-reserved-identifier)

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block runs at a time, so one copy serves them all; its redzones are AddressSanitizer's.
#define __shared__ static

// Set before a thread is taken up; one thread runs at a time.
inline uint3 threadIdx{};
inline uint3 blockIdx{};
inline dim3 blockDim{};
inline dim3 gridDim{};

namespace moecal::cuda_on_cpu {

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint64_t resolve_shuffle(const WarpRequest& own, const WarpValues& values) {
  if ((own.mask >> own.source_lane & 1U) == 0)
    throw Error{std::string{own.operation} + " reads lane " + std::to_string(own.source_lane) +
                ", which is not in the mask"};
  return values[static_cast<std::size_t>(own.source_lane)];
}

/// Bit per lane of the mask whose value satisfies `predicate`.
template <class Predicate>
std::uint64_t lanes_where(const WarpRequest& own, const WarpValues& values, Predicate predicate) {
  std::uint64_t lanes = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    if ((own.mask >> lane & 1U) != 0 && predicate(values[lane])) lanes |= std::uint64_t{1} << lane;
  return lanes;
}

inline std::uint64_t resolve_ballot(const WarpRequest& own, const WarpValues& values) {
  return lanes_where(own, values, [](std::uint64_t value) { return value != 0; });
}

inline std::uint64_t resolve_match(const WarpRequest& own, const WarpValues& values) {
  return lanes_where(own, values, [&own](std::uint64_t value) { return value == own.value; });
}

inline std::uint64_t resolve_nothing(const WarpRequest&, const WarpValues&) { return 0; }

template <class T>
T shuffle(const WarpRequest& request) {
  return from_bits<T>(exchange_in_warp(request));
}

}  // namespace moecal::cuda_on_cpu

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  moecal::cuda_on_cpu::wait_for_block(where);
}

inline void __syncwarp(unsigned mask = 0xffffffffU,
                       std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  (void)exchange_in_warp({"__syncwarp", mask, 0, 0, resolve_nothing, where});
}

/// Lane `source` of the caller's segment of `width` lanes.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  const int lane = (lane_of_thread() & ~(width - 1)) | (source & (width - 1));
  return shuffle<T>({"__shfl_sync", mask, to_bits(value), lane, resolve_shuffle, where});
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  const int own = lane_of_thread();
  const int other = own ^ lane_mask;
  const int lane = other / width == own / width ? other : own;
  return shuffle<T>({"__shfl_xor_sync", mask, to_bits(value), lane, resolve_shuffle, where});
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, int delta, int width = 32,
                 std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  const int own = lane_of_thread();
  const int lane = own % width >= delta ? own - delta : own;
  return shuffle<T>({"__shfl_up_sync", mask, to_bits(value), lane, resolve_shuffle, where});
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, int width = 32,
                   std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  const int own = lane_of_thread();
  const int lane = own % width + delta < width ? own + delta : own;
  return shuffle<T>({"__shfl_down_sync", mask, to_bits(value), lane, resolve_shuffle, where});
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  return static_cast<unsigned>(
      exchange_in_warp({"__ballot_sync", mask, to_bits(predicate), 0, resolve_ballot, where}));
}

template <class T>
unsigned __match_any_sync(unsigned mask, T value,
                          std::source_location where = std::source_location::current()) {
  using namespace moecal::cuda_on_cpu;
  return static_cast<unsigned>(
      exchange_in_warp({"__match_any_sync", mask, to_bits(value), 0, resolve_match, where}));
}

inline int __popc(unsigned bits) { return std::popcount(bits); }
/// Four of the eight bytes of `low` and `high`, as the nibbles of `which` number them.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned which) {
  const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i)
    result |= static_cast<unsigned>(bytes >> 8 * (which >> 4 * i & 7U) & 0xffU) << 8 * i;
  return result;
}
inline int __ffs(int bits) { return __builtin_ffs(bits); }

/// Through the read-only path: nothing may write what is read so while the kernel runs.
template <class T>
T __ldg(const T* address) {
  return *address;
}

/// 2^(x log2(e)), the product rounded: its error grows with |x|, as the device's does.
inline float __expf(float x) { return std::exp2(x * 0x1.715476p+0F); }

/// Of a divisor above 2^126 the device's quotient is 0, of an infinite dividend NaN.
inline float __fdividef(float dividend, float divisor) {
  const float magnitude = std::fabs(divisor);
  if (magnitude > 0x1p126F && std::isfinite(magnitude)) return dividend * 0.0F;
  return dividend / divisor;
}

// Relaxed, as CUDA's: it orders nothing else.
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>{*address}.fetch_add(value, std::memory_order_relaxed);
}

inline void __nanosleep(unsigned) {}
inline void __threadfence_system() { std::atomic_thread_fence(std::memory_order_seq_cst); }

// NOLINTEND(bugprone-reserved-identifier)
