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

// Loads a thread has under way before its first store: what hides the latency of device memory. Of
// one row or, where rows are short, of two.
constexpr int kWordsInFlight = 4;
template <int kRows>
constexpr PerThread kWordsOfRows{kRows, kWordsInFlight / kRows};

/// A shape in words: the widest unit that every row starts at a multiple of.
template <class Word>
struct RowsOfWords {
  const Word* tokens;          // [token_count, words]
  const std::int32_t* row_of;  // [token_count, top_k]
  Word* rows;                  // [rows, words]
  std::int64_t token_count;
  int top_k;
  int words;     // of a row
  int step = 0;  // words between two passes
};

/// That a multiprocessor is to hold, so that 80 KiB of loads and more are under way on it.
constexpr int kPermuteBlocks = 5;

/// Writes a thread's words of a token to each of the token's places.
template <class Word, int kWords>
__device__ void store_words(const RowsOfWords<Word>& view, std::int64_t token, int first,
                            const Word (&held)[kWords]) {
#pragma unroll 1  // more turns at once would only cost registers
  for (int choice = 0; choice < view.top_k; ++choice) {
    const std::int32_t row = __ldg(view.row_of + token * view.top_k + choice);
    if (row < 0) continue;
    Word* to = view.rows + std::int64_t{row} * view.words;
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      if (const int word = first + i * static_cast<int>(blockDim.x); word < view.words)
        to[word] = held[i];
  }
}

// A row of threads (threadIdx.y) per kRows tokens. A token is read once and written top_k times:
// device memory sees the least traffic that there can be.
template <class Word, int kRows>
__global__ void __launch_bounds__(kRowBlockThreads, kPermuteBlocks)
    permute_rows(RowsOfWords<Word> view) {
  constexpr int kWords = kWordsOfRows<kRows>.words;
  const int stride = static_cast<int>(blockDim.x);
  for (int first = first_of_block<kWords>() + static_cast<int>(threadIdx.x); first < view.words;
       first += view.step) {
    Word held[kRows][kWords] = {};
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      const std::int64_t token = row_of_thread<kRows>(row);
#pragma unroll
      for (int i = 0; i < kWords; ++i)
        if (token < view.token_count && first + i * stride < view.words)
          held[row][i] = __ldg(view.tokens + token * view.words + first + i * stride);
    }
#pragma unroll
    for (int row = 0; row < kRows; ++row)
      if (row_of_thread<kRows>(row) < view.token_count)
        store_words(view, row_of_thread<kRows>(row), first, held[row]);
  }
}

template <class Word, int kRows>
void launch_permute_rows(RowsOfWords<Word> view, Stream stream) {
  const RowGrid rows = row_grid(view.token_count, view.words, kWordsOfRows<kRows>);
  view.step = rows.step;
  launch({.what = "permute rows", .grid = rows.grid, .block = rows.block, .stream = stream},
         permute_rows<Word, kRows>, view);
}

template <class Word>
void permute_words(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream) {
  const RowsOfWords<Word> view{static_cast<const Word*>(tensors.tokens),
                               tensors.row_of,
                               static_cast<Word*>(tensors.rows),
                               shape.tokens,
                               static_cast<int>(shape.top_k),
                               static_cast<int>(shape.hidden * size_of(shape.dtype) /
                                                static_cast<std::int64_t>(sizeof(Word)))};
  if constexpr (sizeof(Word) == 16) {
    if (view.words <= 2 * kWarpSize) return launch_permute_rows<Word, 2>(view, stream);
  }
  launch_permute_rows<Word, 1>(view, stream);
}

// ---- with a cast to FP8 -------------------------------------------------------------------------

template <class T>
struct CastRows {
  const T* tokens;             // [token_count, hidden]
  const std::int32_t* row_of;  // [token_count, top_k]
  std::uint8_t* rows;          // [rows, hidden]
  float* scales;               // [blocks, token_count x top_k]
  std::int64_t token_count;
  std::int64_t hidden;
  int chunks;  // of a row, in whole blocks
  int top_k;
  int step = 0;  // chunks between two passes
};

template <bool kAligned, class T>
__device__ void cast_chunk(const CastRows<T>& view, const ChunkPlace& place,
                           const HeldChunk<T>& held) {
  const std::int64_t column = std::int64_t{place.chunk} * kChunk;
  float values[kChunk];
  widen_chunk(held, values);
  const ScaleFactors factors = factors_of<Dtype::fp8_e4m3>(amax_of_block(values));
  const uint4 packed = pack_chunk<Dtype::fp8_e4m3>(factors.factor, values);
  if (place.row >= view.token_count) return;
  const bool has_scale = place.chunk < view.chunks && threadIdx.x % kLanesPerScaleBlock == 0;
  float* scales = view.scales + place.chunk / kLanesPerScaleBlock * view.token_count * view.top_k;
#pragma unroll 1  // more turns at once would only cost registers
  for (int choice = 0; choice < view.top_k; ++choice) {
    const std::int32_t row = __ldg(view.row_of + place.row * view.top_k + choice);
    if (row < 0) continue;
    store_packed<kAligned>(view.rows + row * view.hidden + column, view.hidden - column, packed);
    if (has_scale) scales[row] = factors.scale;
  }
}

// As permute_rows; a token is read and cast once and written top_k times. Lanes without a chunk go
// along: the shuffles that find a block's scale need them.
template <class T, bool kAligned, int kRows>
__global__ void __launch_bounds__(kRowBlockThreads, kCastBlocks<T, kAligned, kRows>)
    permute_cast_rows(CastRows<T> view) {
  if (row_of_thread<kRows>() >= view.token_count) return;
  for (int first = first_of_block<kChunksOfRows<kRows>.words>(); first < view.chunks;
       first += view.step) {
    HeldChunk<T> held[kHeldChunks];
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i) {
      const auto [token, chunk] = place_of_chunk<kRows>(first, i);
      const std::int64_t column = std::int64_t{chunk} * kChunk;
      held[i] = hold_chunk<kAligned>(view.tokens + token * view.hidden + column,
                                     token < view.token_count ? view.hidden - column : 0);
    }
#pragma unroll
    for (int i = 0; i < kHeldChunks; ++i)
      cast_chunk<kAligned>(view, place_of_chunk<kRows>(first, i), held[i]);
  }
}

template <class T>
void permute_and_cast(const PermuteShape& shape, const PermuteTensors& tensors, Stream stream) {
  CastRows<T> view{static_cast<const T*>(tensors.tokens),
                   tensors.row_of,
                   static_cast<std::uint8_t*>(tensors.rows),
                   tensors.scales,
                   shape.tokens,
                   shape.hidden,
                   static_cast<int>(divided_up(shape.hidden, kScaleBlock)) * kLanesPerScaleBlock,
                   static_cast<int>(shape.top_k)};
  const bool aligned = (reinterpret_cast<std::uintptr_t>(tensors.tokens) |
                        reinterpret_cast<std::uintptr_t>(tensors.rows)) %
                               16 ==
                           0 &&
                       shape.hidden % kChunk == 0;
  const auto launch_of = [&](auto kernel, PerThread taken) {
    const RowGrid rows = row_grid(shape.tokens, view.chunks, taken);
    view.step = rows.step;
    launch(
        {.what = "permute and cast rows", .grid = rows.grid, .block = rows.block, .stream = stream},
        kernel, view);
  };
  if (!aligned) return launch_of(permute_cast_rows<T, false, 1>, kChunksOfRows<1>);
  if (view.chunks <= kWarpSize) return launch_of(permute_cast_rows<T, true, 2>, kChunksOfRows<2>);
  launch_of(permute_cast_rows<T, true, 1>, kChunksOfRows<1>);
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
