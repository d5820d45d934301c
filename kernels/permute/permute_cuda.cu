// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/fp8.cuh"
#include "kernels/permute/permute.hpp"
#include "kernels/row_grid.cuh"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

// Loads a thread has under way before its first store: what hides the latency of device memory.
constexpr int kWordsInFlight = 4;

/// A shape in words: the widest unit that every row starts at a multiple of.
template <class Word>
struct RowsOfWords {
  const Word* tokens;          // [token_count, words]
  const std::int32_t* row_of;  // [token_count, top_k]
  Word* rows;                  // [rows, words]
  std::int64_t token_count;
  int top_k;
  std::int64_t words;  // of a row
};

// One row of threads (threadIdx.y) per token. A token is read once and written top_k times: device
// memory sees the least traffic that there can be.
template <class Word>
__global__ void __launch_bounds__(kRowBlockThreads) permute_rows(RowsOfWords<Word> view) {
  const std::int64_t token = row_of_thread();
  if (token >= view.token_count) return;
  const Word* from = view.tokens + token * view.words;
  const std::int32_t* row_of = view.row_of + token * view.top_k;
  const std::int64_t stride = blockDim.x;
  for (std::int64_t first = threadIdx.x; first < view.words; first += stride * kWordsInFlight) {
    Word held[kWordsInFlight] = {};
#pragma unroll
    for (int i = 0; i < kWordsInFlight; ++i)
      if (first + i * stride < view.words) held[i] = from[first + i * stride];
    for (int choice = 0; choice < view.top_k; ++choice) {
      const std::int32_t row = row_of[choice];
      if (row < 0) continue;
      Word* to = view.rows + row * view.words;
#pragma unroll
      for (int i = 0; i < kWordsInFlight; ++i)
        if (first + i * stride < view.words) to[first + i * stride] = held[i];
    }
  }
}

template <class Word>
void permute_words(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream) {
  const RowsOfWords<Word> view{
      static_cast<const Word*>(tensors.tokens),
      tensors.row_of,
      static_cast<Word*>(tensors.rows),
      shape.tokens,
      static_cast<int>(shape.top_k),
      shape.hidden * size_of(shape.dtype) / static_cast<std::int64_t>(sizeof(Word))};
  const auto [grid, block] = row_grid(shape.tokens, view.words, kWordsInFlight);
  launch({.what = "permute rows", .grid = grid, .block = block, .stream = stream},
         permute_rows<Word>, view);
}

// ---- with a cast to FP8
// --------------------------------------------------------------------------

template <class T>
struct CastRows {
  const T* tokens;             // [token_count, hidden]
  const std::int32_t* row_of;  // [token_count, top_k]
  std::uint8_t* rows;          // [rows, hidden]
  float* scales;               // [blocks, token_count x top_k]
  std::int64_t token_count;
  std::int64_t hidden;
  std::int64_t chunks;  // of a row, in whole blocks
  int top_k;
};

// As permute_rows; a token is read and cast once and written top_k times. Lanes without a chunk go
// along: the shuffles that find a block's scale need them.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kRowBlockThreads) permute_cast_rows(CastRows<T> view) {
  const std::int64_t token = row_of_thread();
  if (token >= view.token_count) return;
  for (std::int64_t first = 0; first < view.chunks; first += blockDim.x) {
    const std::int64_t chunk = first + threadIdx.x;
    const std::int64_t column = chunk * kChunk;
    const std::int64_t available = view.hidden - column;
    float values[kChunk];
    load_chunk<kAligned>(view.tokens + token * view.hidden + column, available, values);
    const ScaleFactors factors = factors_of<Dtype::fp8_e4m3>(amax_of_block(values));
    const bool has_scale = chunk < view.chunks && threadIdx.x % kLanesPerScaleBlock == 0;
    float* scales = view.scales + chunk / kLanesPerScaleBlock * view.token_count * view.top_k;
    for (int choice = 0; choice < view.top_k; ++choice) {
      const std::int32_t row = view.row_of[token * view.top_k + choice];
      if (row < 0) continue;
      store_chunk<kAligned, Dtype::fp8_e4m3>(view.rows + row * view.hidden + column, available,
                                             factors.factor, values);
      if (has_scale) scales[row] = factors.scale;
    }
  }
}

template <class T>
void permute_and_cast(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream) {
  const CastRows<T> view{static_cast<const T*>(tensors.tokens),
                         tensors.row_of,
                         static_cast<std::uint8_t*>(tensors.rows),
                         tensors.scales,
                         shape.tokens,
                         shape.hidden,
                         (shape.hidden + kScaleBlock - 1) / kScaleBlock * kLanesPerScaleBlock,
                         static_cast<int>(shape.top_k)};
  const bool aligned = (reinterpret_cast<std::uintptr_t>(tensors.tokens) |
                        reinterpret_cast<std::uintptr_t>(tensors.rows)) %
                               16 ==
                           0 &&
                       shape.hidden % kChunk == 0;
  const auto [grid, block] = row_grid(shape.tokens, view.chunks, 1);
  launch({.what = "permute and cast rows", .grid = grid, .block = block, .stream = stream},
         aligned ? permute_cast_rows<T, true> : permute_cast_rows<T, false>, view);
}

bool divides_rows(std::uintptr_t word, const PermuteShape& shape, const PermuteTensors& tensors) {
  const auto row_bytes = static_cast<std::uintptr_t>(shape.hidden * size_of(shape.dtype));
  const auto from = reinterpret_cast<std::uintptr_t>(tensors.tokens);
  const auto to = reinterpret_cast<std::uintptr_t>(tensors.rows);
  return (row_bytes | from | to) % word == 0;
}

}  // namespace

void permute_cuda(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream) {
  check_shape(shape);
  if (shape.tokens == 0 || shape.hidden == 0) return;
  if (shape.to_fp8)
    return with_float_type(shape.dtype, [&](auto zero) {
      permute_and_cast<DeviceType<decltype(zero)>>(shape, tensors, stream);
    });
  if (divides_rows(16, shape, tensors)) return permute_words<uint4>(shape, tensors, stream);
  if (divides_rows(4, shape, tensors)) return permute_words<std::uint32_t>(shape, tensors, stream);
  if (divides_rows(2, shape, tensors)) return permute_words<std::uint16_t>(shape, tensors, stream);
  permute_words<std::uint8_t>(shape, tensors, stream);
}

}  // namespace moecal::kernels
