// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/fp8.cuh"
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
  std::int64_t chunks;        // of a row, in whole blocks
  const std::int64_t* first;  // [groups + 1] of each row group
  int groups;                 // 0: all rows are one
};

/// Rows whose scales make an array of their own.
struct RowGroup {
  std::int64_t first;
  std::int64_t rows;
};

/// Rows beyond the last group make one more. Groups are few: their offsets stay in the cache.
template <class T>
__device__ inline RowGroup group_of(const Rows<T>& rows, std::int64_t token) {
  if (rows.groups == 0) return {0, rows.tokens};
  int next = 1, end = rows.groups + 1;  // the first group that begins after the token
  while (next < end) {
    const int middle = (next + end) / 2;
    if (rows.first[middle] <= token)
      next = middle + 1;
    else
      end = middle;
  }
  const std::int64_t first = rows.first[next - 1];
  return {first, (next == rows.groups + 1 ? rows.tokens : rows.first[next]) - first};
}

// ---- a scale per block of 128 -------------------------------------------------------------------

// One row of threads per token, a chunk per thread and step. A warp stays together: its shuffles
// need every lane, with or without a chunk.
template <class T, Dtype kTo, bool kAligned>
__global__ void __launch_bounds__(kRowBlockThreads) quantize_blocks(Rows<T> rows) {
  const std::int64_t token = row_of_thread();
  if (token >= rows.tokens) return;
  const RowGroup group = group_of(rows, token);
  float* scales =
      rows.scales + group.first * (rows.chunks / kLanesPerScaleBlock) + token - group.first;
  for (std::int64_t first = 0; first < rows.chunks; first += blockDim.x) {
    const std::int64_t chunk = first + threadIdx.x;
    const std::int64_t column = chunk * kChunk;
    const std::int64_t place = token * rows.hidden + column;
    float values[kChunk];
    load_chunk<kAligned>(rows.values + place, rows.hidden - column, values);
    const ScaleFactors factors = factors_of<kTo>(amax_of_block(values));
    store_chunk<kAligned, kTo>(rows.quantized + place, rows.hidden - column, factors.factor,
                               values);
    if (chunk < rows.chunks && threadIdx.x % kLanesPerScaleBlock == 0)
      scales[chunk / kLanesPerScaleBlock * group.rows] = factors.scale;
  }
}

// ---- one scale ----------------------------------------------------------------------------------

constexpr int kBlockThreads = 256;
constexpr int kWarps = kBlockThreads / 32;
// About what a card holds at a time; every block of the second kernel reads one number of each.
constexpr std::int64_t kMostBlocks = 1024;

template <class T>
struct Flat {
  const T* values;          // [count]
  std::uint8_t* quantized;  // [count]
  float* scale;
  float* block_amax;  // [blocks of the grid]
  std::int64_t count;
  std::int64_t chunks;
};

/// The largest `amax` of the block's threads, on each of them.
__device__ inline float amax_of_threads(float amax) {
  __shared__ float warp_amax[kWarps];
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    amax = fmaxf(amax, __shfl_xor_sync(0xffffffffU, amax, distance));
  if (threadIdx.x % 32 == 0) warp_amax[threadIdx.x / 32] = amax;
  __syncthreads();
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) amax = fmaxf(amax, warp_amax[warp]);
  return amax;
}

template <class T, bool kAligned>
__global__ void __launch_bounds__(kBlockThreads) find_amax(Flat<T> flat) {
  const std::int64_t stride = std::int64_t{gridDim.x} * kBlockThreads;
  float amax = 0;
  for (std::int64_t chunk = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
       chunk < flat.chunks; chunk += stride) {
    float values[kChunk];
    load_chunk<kAligned>(flat.values + chunk * kChunk, flat.count - chunk * kChunk, values);
    amax = fmaxf(amax, amax_of_chunk(values));
  }
  amax = amax_of_threads(amax);
  if (threadIdx.x == 0) flat.block_amax[blockIdx.x] = amax;
}

// Every block finds the tensor's amax for itself: no kernel has to run in between. The tensor is
// taken from its end, of which the cache still holds what find_amax read last.
template <class T, Dtype kTo, bool kAligned>
__global__ void __launch_bounds__(kBlockThreads) quantize_tensor(Flat<T> flat) {
  float amax = 0;
  for (unsigned block = threadIdx.x; block < gridDim.x; block += kBlockThreads)
    amax = fmaxf(amax, flat.block_amax[block]);
  const ScaleFactors factors = factors_of<kTo>(amax_of_threads(amax));
  if (blockIdx.x == 0 && threadIdx.x == 0) *flat.scale = factors.scale;
  const std::int64_t stride = std::int64_t{gridDim.x} * kBlockThreads;
  for (std::int64_t chunk =
           flat.chunks - 1 - std::int64_t{blockIdx.x} * kBlockThreads - threadIdx.x;
       chunk >= 0; chunk -= stride) {
    const std::int64_t place = chunk * kChunk;
    float values[kChunk];
    load_chunk<kAligned>(flat.values + place, flat.count - place, values);
    store_chunk<kAligned, kTo>(flat.quantized + place, flat.count - place, factors.factor, values);
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
  const Rows<T> rows{static_cast<const T*>(tensors.values),
                     static_cast<std::uint8_t*>(tensors.quantized),
                     tensors.scales,
                     shape.tokens,
                     shape.hidden,
                     blocks_of_row(shape) * kLanesPerScaleBlock,
                     tensors.row_offsets,
                     static_cast<int>(shape.row_groups)};
  const auto [grid, block] = row_grid(shape.tokens, rows.chunks, 1);
  launch({.what = "quantize blocks", .grid = grid, .block = block, .stream = stream},
         quantize_blocks<T, kTo, kAligned>, rows);
}

std::int64_t chunks_of(const QuantizeShape& shape) {
  return (shape.tokens * shape.hidden + kChunk - 1) / kChunk;
}

/// At least one block: of an empty tensor the scale is still to be written.
unsigned grid_of(const QuantizeShape& shape) {
  const std::int64_t blocks = (chunks_of(shape) + kBlockThreads - 1) / kBlockThreads;
  return static_cast<unsigned>(std::clamp<std::int64_t>(blocks, 1, kMostBlocks));
}

template <class T, Dtype kTo, bool kAligned>
void launch_tensor(const QuantizeShape& shape, const QuantizeTensors& tensors, float* block_amax,
                   Stream stream) {
  const Flat<T> flat{static_cast<const T*>(tensors.values),
                     static_cast<std::uint8_t*>(tensors.quantized),
                     tensors.scales,
                     block_amax,
                     shape.tokens * shape.hidden,
                     chunks_of(shape)};
  const dim3 grid{grid_of(shape), 1, 1};
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
  return shape.groups == ScaleGroups::tensor ? grid_of(shape) * sizeof(float) : 0;
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
