// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/element.cuh"
#include "kernels/warp.cuh"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

constexpr int kChunk = 8;            // elements that a thread takes from neighbouring places
constexpr int kHeld = 4;             // chunks that a thread holds in registers
constexpr int kFewestThreads = 256;  // of a block: short rows share one
constexpr int kMostThreads = 1024;
static_assert(kLongestScoreRow == kChunk * kHeld * kMostThreads);

template <class T>
struct Scores {
  T* scores;  // [rows, sequence]
  std::int64_t rows;
  int sequence;
  bool causal;
};

/// `value` combined over the threads of a row (blockDim.x, whole warps), on each of them. All
/// threads of the block call it, once for each Combine: no barrier keeps a second call from
/// writing what slower warps still read, but each Combine has shared memory of its own.
template <class Combine>
__device__ float over_row(float value, Combine combine) {
  __shared__ float of_warp[kMostThreads / kWarpSize];
  value = over_lanes(value, combine);
  const int warps = static_cast<int>(blockDim.x) / kWarpSize;
  if (warps == 1) return value;
  const int first = static_cast<int>(threadIdx.y) * warps;
  if (threadIdx.x % kWarpSize == 0)
    of_warp[first + static_cast<int>(threadIdx.x) / kWarpSize] = value;
  __syncthreads();
  value = of_warp[first];
  for (int warp = 1; warp < warps; ++warp) value = combine(value, of_warp[first + warp]);
  return value;
}

/// The elements of a chunk that lie before `seen`; -infinity, whose exponential is 0, in the
/// others' places. kAligned: all of a chunk's elements exist or none, so that it is read whole: a
/// branch on how much of it is seen would make a thread wait for one chunk before it asks for the
/// next.
template <class T, bool kAligned>
__device__ void load_seen(const T* from, int seen, float (&values)[kChunk]) {
  if constexpr (kAligned) {
    constexpr int kWords = kChunk / kElementsPer16Bytes<T>;
    uint4 words[kWords] = {};
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      if (seen > 0) words[i] = reinterpret_cast<const uint4*>(from)[i];
#pragma unroll
    for (int i = 0; i < kWords; ++i) widen_word<T>(words[i], values + i * kElementsPer16Bytes<T>);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[i] = i < seen ? values[i] : -INFINITY;
  } else {
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[i] = i < seen ? widen(from[i]) : -INFINITY;
  }
}

template <class T, bool kAligned>
__device__ void store_chunk(T* to, int available, const float (&values)[kChunk]) {
  if constexpr (kAligned) {
    if (available > 0) store_floats<kChunk>(to, values);
  } else {
#pragma unroll
    for (int i = 0; i < kChunk; ++i)
      if (i < available) narrow(values[i], to[i]);
  }
}

// A row of threads (blockDim.x) per row of scores, which it holds in registers between reading and
// writing. Threads past the last row go along without one: the barriers need them.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kMostThreads) softmax_rows(Scores<T> view) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  const bool has_row = row < view.rows;
  T* scores = view.scores + (has_row ? row * view.sequence : 0);
  const int available = has_row ? view.sequence : 0;
  const int seen = has_row && view.causal ? static_cast<int>(row % view.sequence) + 1 : available;
  float values[kHeld][kChunk];
  float largest = -INFINITY;
#pragma unroll
  for (int held = 0; held < kHeld; ++held) {
    const int column =
        (held * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kChunk;
    load_seen<T, kAligned>(scores + column, seen - column, values[held]);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) largest = fmaxf(largest, values[held][i]);
  }
  largest = over_row(largest, Largest{});
  float sum = 0;
#pragma unroll
  for (int held = 0; held < kHeld; ++held)
#pragma unroll
    for (int i = 0; i < kChunk; ++i) sum += values[held][i] = expf(values[held][i] - largest);
  const float factor = 1 / over_row(sum, Sum{});
#pragma unroll
  for (int held = 0; held < kHeld; ++held) {
    const int column =
        (held * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kChunk;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) values[held][i] *= factor;
    store_chunk<T, kAligned>(scores + column, available - column, values[held]);
  }
}

/// As many threads per row as its elements need, a power of two of them.
dim3 block_of(std::int64_t sequence) {
  unsigned across = kWarpSize;
  while (std::int64_t{across} * kChunk * kHeld < sequence) across *= 2;
  return {across, std::max(1U, kFewestThreads / across), 1};
}

template <class T, bool kAligned>
void launch_softmax_rows(const Scores<T>& view, Stream stream) {
  const dim3 block = block_of(view.sequence);
  const auto blocks = static_cast<unsigned>((view.rows + block.y - 1) / block.y);
  launch({.what = "softmax rows", .grid = {blocks, 1, 1}, .block = block, .stream = stream},
         softmax_rows<T, kAligned>, view);
}

}  // namespace

void softmax_rows_cuda(const ScoreRows& rows, void* scores, Stream stream) {
  if (rows.sequence > kLongestScoreRow)
    throw Unsupported{"the softmax kernel takes sequences of up to " +
                      std::to_string(kLongestScoreRow) + ", not " + std::to_string(rows.sequence)};
  if (rows.rows == 0 || rows.sequence == 0) return;
  with_float_type(rows.type, [&](auto zero) {
    using T = DeviceType<decltype(zero)>;
    const Scores<T> view{static_cast<T*>(scores), rows.rows, static_cast<int>(rows.sequence),
                         rows.causal};
    const bool aligned =
        reinterpret_cast<std::uintptr_t>(scores) % 16 == 0 && rows.sequence % kChunk == 0;
    return aligned ? launch_softmax_rows<T, true>(view, stream)
                   : launch_softmax_rows<T, false>(view, stream);
  });
}

}  // namespace moecal::kernels
