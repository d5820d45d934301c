// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/fp8.cuh"
#include "kernels/multiprocessors.cuh"
#include "kernels/quantize/quantize.hpp"
#include "kernels/row_grid.cuh"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

template <class T>
struct Rows {
  const T* values;          // [tokens, hidden]
  std::uint8_t* quantized;  // [tokens, hidden]
  float* scales;            // [blocks, tokens]; of each row group
  std::int64_t tokens;
  std::int64_t hidden;
  int chunks;                 // of a row, in whole blocks
  const std::int64_t* first;  // [groups + 1] of each row group
  int groups;                 // 0: all rows are one
  int step = 0;               // chunks between two passes
};

/// Where the scale of a row's block is written. The rows of a group have an array of their own;
/// rows beyond the last group make one more. Groups are few: their offsets stay in the cache.
template <class T>
__device__ inline std::int64_t scale_place(const Rows<T>& rows, std::int64_t row, int block) {
  if (rows.groups == 0) return block * rows.tokens + row;
  int next = 1, end = rows.groups + 1;  // the first group that begins after the row
  while (next < end) {
    const int middle = (next + end) / 2;
    if (rows.first[middle] <= row)
      next = middle + 1;
    else
      end = middle;
  }
  const std::int64_t first = rows.first[next - 1];
  const std::int64_t count = (next == rows.groups + 1 ? rows.tokens : rows.first[next]) - first;
  return first * (rows.chunks / kLanesPerScaleBlock) + block * count + row - first;
}

// ---- a scale per block of 128 -------------------------------------------------------------------

template <Dtype kTo, bool kAligned, class T>
__device__ void quantize_chunk(const Rows<T>& rows, const ChunkPlace& place,
                               const HeldChunk<T>& held) {
  const std::int64_t column = std::int64_t{place.chunk} * kChunk;
  float values[kChunk];
  widen_chunk(held, values);
  const ScaleFactors factors = factors_of<kTo>(amax_of_block(values));
  if (place.row >= rows.tokens) return;
  store_chunk<kAligned, kTo>(rows.quantized + place.row * rows.hidden + column,
                             rows.hidden - column, factors.factor, values);
  if (place.chunk < rows.chunks && threadIdx.x % kLanesPerScaleBlock == 0)
    rows.scales[scale_place(rows, place.row, place.chunk / kLanesPerScaleBlock)] = factors.scale;
}

// A row of threads per kRows tokens. A warp stays together: its shuffles need every lane, with or
// without a chunk.
template <class T, Dtype kTo, bool kAligned, int kRows>
__global__ void __launch_bounds__(kRowBlockThreads, kCastBlocks<T, kAligned, kRows>)
    quantize_blocks(Rows<T> rows) {
  if (row_of_thread<kRows>() >= rows.tokens) return;
  for (int first = first_of_block<kChunksOfRows<kRows>.words>(); first < rows.chunks;
       first += rows.step) {
    HeldChunk<T> held[kHeldChunks];
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      const auto [token, chunk] = place_of_chunk<kRows>(first, i);
      const std::int64_t column = std::int64_t{chunk} * kChunk;
      held[i] = hold_chunk<kAligned>(rows.values + token * rows.hidden + column,
                                     token < rows.tokens ? rows.hidden - column : 0);
    }
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i)
      quantize_chunk<kTo, kAligned>(rows, place_of_chunk<kRows>(first, i), held[i]);
  }
}

// ---- one scale ----------------------------------------------------------------------------------

constexpr int kBlockThreads = 256;
constexpr int kWarps = kBlockThreads / 32;
// A grid fills the device once, so that no last blocks run alone: as many blocks as these bounds
// let every multiprocessor hold, where memory is aligned 80 KiB of loads and more.
template <class T, bool kAligned>
constexpr int kResidentBlocks = !kAligned                    ? 3
                                : sizeof(T) == sizeof(float) ? 4
                                                             : 5;
// What the workspace has room for: more than any card holds.
constexpr std::int64_t kMostBlocks = 4096;

template <class T>
struct Flat {
  const T* values;          // [count]
  std::uint8_t* quantized;  // [count]
  float* scale;
  float* block_amax;  // [blocks of the grid]
  std::int64_t count;
  std::int64_t chunks;  // whole ones; where memory is not aligned the last may be less
};

/// The largest `amax` of the block's threads, on each of them.
__device__ inline float amax_of_threads(float amax) {
  __shared__ float warp_amax[kWarps];
  amax = over_lanes(amax, Largest{});
  if (threadIdx.x % 32 == 0) warp_amax[threadIdx.x / 32] = amax;
  __syncthreads();
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) amax = fmaxf(amax, warp_amax[warp]);
  return amax;
}

/// The calling thread's chunk of that number in the grid's first turn.
__device__ inline std::int64_t chunk_of_thread(int number) {
  return (std::int64_t{blockIdx.x} * kHeldChunks + number) * kBlockThreads + threadIdx.x;
}
__device__ inline std::int64_t chunks_of_turn() {
  return std::int64_t{gridDim.x} * kHeldChunks * kBlockThreads;
}

/// Elements from `chunk` on; none where it is not a chunk of the tensor.
template <class T>
__device__ std::int64_t available_from(const Flat<T>& flat, std::int64_t chunk) {
  return 0 <= chunk && chunk < flat.chunks ? flat.count - chunk * kChunk : 0;
}

/// What whole chunks leave over is an element for each of the first threads; -1 for the others.
template <class T>
__device__ std::int64_t rest_of_thread(const Flat<T>& flat) {
  const std::int64_t place = flat.chunks * kChunk + threadIdx.x;
  return blockIdx.x == 0 && place < flat.count ? place : -1;
}

template <class T, bool kAligned>
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks<T, kAligned>)
    find_amax(Flat<T> flat) {
  float amax = 0, values[kChunk];
  for (std::int64_t turn = 0; turn < flat.chunks; turn += chunks_of_turn()) {
    HeldChunk<T> held[kHeldChunks];
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      const std::int64_t chunk = turn + chunk_of_thread(i);
      held[i] = hold_chunk<kAligned>(flat.values + chunk * kChunk, available_from(flat, chunk));
    }
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      widen_chunk(held[i], values);
      amax = fmaxf(amax, amax_of_chunk(values));
    }
  }
  if (const std::int64_t rest = rest_of_thread(flat); rest >= 0) {
    load_chunk<false>(flat.values + rest, 1, values);
    amax = fmaxf(amax, amax_of_chunk(values));
  }
  amax = amax_of_threads(amax);
  if (threadIdx.x == 0) flat.block_amax[blockIdx.x] = amax;
}

template <Dtype kTo, class T>
__device__ ScaleFactors factors_of_tensor(const Flat<T>& flat) {
  float amax = 0;
  for (unsigned block = threadIdx.x; block < gridDim.x; block += kBlockThreads)
    amax = fmaxf(amax, flat.block_amax[block]);
  return factors_of<kTo>(amax_of_threads(amax));
}

// Every block finds the tensor's amax for itself: no kernel has to run in between. The tensor is
// taken from its end, of which the cache still holds what find_amax read last.
template <class T, Dtype kTo, bool kAligned>
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks<T, kAligned>)
    quantize_tensor(Flat<T> flat) {
  const ScaleFactors factors = factors_of_tensor<kTo>(flat);
  if (blockIdx.x == 0 && threadIdx.x == 0) *flat.scale = factors.scale;
  float values[kChunk];
  for (std::int64_t turn = flat.chunks - 1; turn >= 0; turn -= chunks_of_turn()) {
    HeldChunk<T> held[kHeldChunks];
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      const std::int64_t chunk = turn - chunk_of_thread(i);
      held[i] = hold_chunk<kAligned>(flat.values + chunk * kChunk, available_from(flat, chunk));
    }
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      const std::int64_t chunk = turn - chunk_of_thread(i);
      widen_chunk(held[i], values);
      store_chunk<kAligned, kTo>(flat.quantized + chunk * kChunk, available_from(flat, chunk),
                                 factors.factor, values);
    }
  }
  if (const std::int64_t rest = rest_of_thread(flat); rest >= 0) {
    load_chunk<false>(flat.values + rest, 1, values);
    store_chunk<false, kTo>(flat.quantized + rest, 1, factors.factor, values);
  }
}

// ---- launching ----------------------------------------------------------------------------------

bool is_aligned(const QuantizeShape& shape, const QuantizeTensors& tensors) {
  const auto addresses = reinterpret_cast<std::uintptr_t>(tensors.values) |
                         reinterpret_cast<std::uintptr_t>(tensors.quantized);
  return addresses % 16 == 0 && (shape.groups == ScaleGroups::tensor || shape.hidden % kChunk == 0);
}

template <class T, Dtype kTo, bool kAligned>
void launch_blocks(const QuantizeShape& shape, const QuantizeTensors& tensors, Stream stream) {
  if (shape.tokens == 0 || shape.hidden == 0) return;
  Rows<T> rows{static_cast<const T*>(tensors.values),
               static_cast<std::uint8_t*>(tensors.quantized),
               tensors.scales,
               shape.tokens,
               shape.hidden,
               static_cast<int>(blocks_of_row(shape)) * kLanesPerScaleBlock,
               tensors.row_offsets,
               static_cast<int>(shape.row_groups)};
  const auto launch_of = [&](auto kernel, PerThread taken) {
    const RowGrid blocks = row_grid(shape.tokens, rows.chunks, taken);
    rows.step = blocks.step;
    launch(
        {.what = "quantize blocks", .grid = blocks.grid, .block = blocks.block, .stream = stream},
        kernel, rows);
  };
  if constexpr (kAligned)
    if (rows.chunks <= kWarpSize)
      return launch_of(quantize_blocks<T, kTo, kAligned, 2>, kChunksOfRows<2>);
  launch_of(quantize_blocks<T, kTo, kAligned, 1>, kChunksOfRows<1>);
}

/// Blocks that have something to do; at least one: of an empty tensor the scale is still to be
/// written.
std::int64_t blocks_of(const QuantizeShape& shape) {
  const std::int64_t chunks = divided_up(shape.tokens * shape.hidden, kChunk);
  return std::clamp<std::int64_t>(divided_up(chunks, kHeldChunks * kBlockThreads), 1, kMostBlocks);
}

template <class T, Dtype kTo, bool kAligned>
void launch_tensor(const QuantizeShape& shape, const QuantizeTensors& tensors, float* block_amax,
                   Stream stream) {
  const std::int64_t count = shape.tokens * shape.hidden;
  const Flat<T> flat{static_cast<const T*>(tensors.values),
                     static_cast<std::uint8_t*>(tensors.quantized),
                     tensors.scales,
                     block_amax,
                     count,
                     kAligned ? count / kChunk : divided_up(count, kChunk)};
  const std::int64_t held = std::int64_t{multiprocessors()} * kResidentBlocks<T, kAligned>;
  const dim3 grid{static_cast<unsigned>(std::min(blocks_of(shape), held)), 1, 1};
  const dim3 block{kBlockThreads, 1, 1};
  launch({.what = "find amax", .grid = grid, .block = block, .stream = stream},
         find_amax<T, kAligned>, flat);
  launch({.what = "quantize tensor", .grid = grid, .block = block, .stream = stream},
         quantize_tensor<T, kTo, kAligned>, flat);
}

/// Calls function with the shape's types and alignment as compile-time values.
template <class Function>
void with_types(const QuantizeShape& shape, bool aligned, Function function) {
  with_float_type(shape.from, [&](auto zero) {
    const auto with_format = [&](auto to) {
      if (aligned) return function(DeviceType<decltype(zero)>{}, to, std::true_type{});
      function(DeviceType<decltype(zero)>{}, to, std::false_type{});
    };
    if (shape.to == Dtype::fp8_e4m3)
      return with_format(std::integral_constant<Dtype, Dtype::fp8_e4m3>{});
    with_format(std::integral_constant<Dtype, Dtype::fp8_e5m2>{});
  });
}

}  // namespace

std::size_t quantize_cuda_workspace(const QuantizeShape& shape) {
  return shape.groups == ScaleGroups::tensor
             ? static_cast<std::size_t>(blocks_of(shape)) * sizeof(float)
             : 0;
}

void quantize_cuda(const QuantizeShape& shape, const QuantizeTensors& tensors, void* workspace,
                   Stream stream) {
  check_shape(shape);
  with_types(shape, is_aligned(shape, tensors), [&](auto zero, auto to, auto aligned) {
    using T = decltype(zero);
    if (shape.groups == ScaleGroups::tensor)
      launch_tensor<T, to.value, aligned.value>(shape, tensors, static_cast<float*>(workspace),
                                                stream);
    else
      launch_blocks<T, to.value, aligned.value>(shape, tensors, stream);
  });
}

}  // namespace moecal::kernels
