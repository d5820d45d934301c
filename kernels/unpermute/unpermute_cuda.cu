// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "kernels/element.cuh"
#include "kernels/row_grid.cuh"
#include "kernels/unpermute/unpermute.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

// Words a thread has under way before it adds the first of them up: hides the latency of device
// memory. Of few choices it takes several columns, of more than it is compiled for some at a time.
constexpr int kWordsInFlight = 4;
constexpr int kAnyTopK = 0;

/// How a kernel is compiled: Word is what a thread loads at a time, 16 bytes or an element; kTopK
/// the number of choices, or kAnyTopK.
template <class T, class Word, int kTopK>
struct Plan {
  static constexpr int kElements = static_cast<int>(sizeof(Word) / sizeof(T));  // of a word
  static constexpr int kChoices = kTopK == kAnyTopK ? kWordsInFlight : kTopK;   // at a time
  static constexpr int kColumns = kChoices < kWordsInFlight ? kWordsInFlight / kChoices : 1;
  // Of 256 threads: 64 KiB and more are under way on a multiprocessor.
  static constexpr bool kHoldsMore = kTopK == kAnyTopK || kChoices > kWordsInFlight;
  static constexpr int kResidentBlocks = kHoldsMore ? 4 : 6;
};

template <class Word>
struct Combination {
  const Word* rows;            // [rows, words]
  const std::int32_t* row_of;  // [token_count, top_k]
  const float* weight_of;      // [token_count, top_k]
  Word* tokens;                // [token_count, words]
  std::int64_t token_count;
  std::int32_t words;  // of a row
  std::int32_t top_k;
  std::int32_t step = 0;  // words between two passes
};

/// Some choices of a token. Those that are dropped or do not exist have row -1 and count as 0.
template <int kChoices>
struct Choices {
  std::int32_t row[kChoices];
  float weight[kChoices];
};

/// Those from number `first` of the token on. kAll: so many exist.
template <int kChoices, bool kAll, class Word>
__device__ Choices<kChoices> choices_of(const Combination<Word>& view, std::int64_t token,
                                        int first) {
  Choices<kChoices> choices;
  const std::int64_t place = token * (kAll ? kChoices : view.top_k) + first;
#pragma unroll
  for (int i = 0; i < kChoices; ++i) {
    const bool exists = kAll || first + i < view.top_k;
    choices.row[i] = exists ? __ldg(view.row_of + place + i) : -1;
    choices.weight[i] = exists ? __ldg(view.weight_of + place + i) : 0.0F;
  }
#pragma unroll
  for (int i = 0; i < kChoices; ++i)
    if (choices.row[i] < 0) choices.weight[i] = 0;
  return choices;
}

template <class T>
__device__ void add_weighted(float weight, const uint4& word, float (&sum)[16 / sizeof(T)]) {
  float values[16 / sizeof(T)];
  widen_word<T>(word, values);
#pragma unroll
  for (int i = 0; i < kElementsPer16Bytes<T>; ++i) sum[i] += weight * values[i];
}

template <class T>
__device__ void add_weighted(float weight, const T& element, float (&sum)[1]) {
  sum[0] += weight * widen(element);
}

/// Adds the choices' words, kColumns of each from `column` on, blockDim.x apart. All are on their
/// way before the first is used.
template <class T, int kColumns, int kChoices, class Word, int kElements>
__device__ void add_choices(const Combination<Word>& view, const Choices<kChoices>& choices,
                            int column, float (&sum)[kColumns][kElements]) {
  const int stride = static_cast<int>(blockDim.x);
  Word held[kColumns][kChoices] = {};
#pragma unroll
  for (int c = 0; c < kColumns; ++c)
#pragma unroll
    for (int i = 0; i < kChoices; ++i)
      if (column + c * stride < view.words && choices.row[i] >= 0)
        held[c][i] =
            __ldg(view.rows + std::int64_t{choices.row[i]} * view.words + column + c * stride);
#pragma unroll
  for (int c = 0; c < kColumns; ++c)
#pragma unroll
    for (int i = 0; i < kChoices; ++i) add_weighted<T>(choices.weight[i], held[c][i], sum[c]);
}

// One row of threads per token.
template <class T, class Word, int kTopK>
__global__ void __launch_bounds__(kRowBlockThreads, Plan<T, Word, kTopK>::kResidentBlocks)
    combine_rows(Combination<Word> view) {
  const std::int64_t token = row_of_thread();
  if (token >= view.token_count) return;
  using P = Plan<T, Word, kTopK>;
  constexpr bool kAll = kTopK != kAnyTopK;
  const int top_k = kAll ? kTopK : view.top_k;
  const int stride = static_cast<int>(blockDim.x);
  for (int column = first_of_block<P::kColumns>() + static_cast<int>(threadIdx.x);
       column < view.words; column += view.step) {
    float sum[P::kColumns][P::kElements] = {};
    for (int first = 0; first < top_k; first += P::kChoices)
      add_choices<T, P::kColumns>(view, choices_of<P::kChoices, kAll>(view, token, first), column,
                                  sum);
#pragma unroll
    for (int c = 0; c < P::kColumns; ++c)
      if (column + c * stride < view.words)
        store_floats<P::kElements>(
            reinterpret_cast<T*>(view.tokens + token * view.words + column + c * stride), sum[c]);
  }
}

template <class T, class Word, int kTopK>
void launch_combine_rows(Combination<Word> view, Stream stream) {
  constexpr int kColumns = Plan<T, Word, kTopK>::kColumns;
  const RowGrid rows = row_grid(view.token_count, view.words, {1, kColumns});
  view.step = rows.step;
  launch({.what = "combine rows", .grid = rows.grid, .block = rows.block, .stream = stream},
         combine_rows<T, Word, kTopK>, view);
}

template <class T>
void combine_words(const Combination<uint4>& view, Stream stream) {
  switch (view.top_k) {
    case 1:
      return launch_combine_rows<T, uint4, 1>(view, stream);
    case 2:
      return launch_combine_rows<T, uint4, 2>(view, stream);
    case 4:
      return launch_combine_rows<T, uint4, 4>(view, stream);
    case 8:
      return launch_combine_rows<T, uint4, 8>(view, stream);
    default:
      return launch_combine_rows<T, uint4, kAnyTopK>(view, stream);
  }
}

template <class Word>
Combination<Word> in_words(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  const auto row_bytes = shape.hidden * size_of(shape.dtype);
  return {static_cast<const Word*>(tensors.rows),
          tensors.row_of,
          tensors.weight_of,
          static_cast<Word*>(tensors.tokens),
          shape.tokens,
          static_cast<std::int32_t>(row_bytes / static_cast<std::int64_t>(sizeof(Word))),
          static_cast<std::int32_t>(shape.top_k)};
}

/// True if every row starts at a multiple of 16 bytes.
bool is_aligned(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  const auto row_bytes = static_cast<std::uintptr_t>(shape.hidden * size_of(shape.dtype));
  return (row_bytes | reinterpret_cast<std::uintptr_t>(tensors.rows) |
          reinterpret_cast<std::uintptr_t>(tensors.tokens)) %
             16 ==
         0;
}

}  // namespace

void unpermute_cuda(const UnpermuteShape& shape, const UnpermuteTensors& tensors, Stream stream) {
  check_shape(shape);
  if (shape.tokens == 0 || shape.hidden == 0) return;
  with_float_type(shape.dtype, [&](auto zero) {
    using T = DeviceType<decltype(zero)>;
    if (is_aligned(shape, tensors))
      return combine_words<T>(in_words<uint4>(shape, tensors), stream);
    launch_combine_rows<T, T, kAnyTopK>(in_words<T>(shape, tensors), stream);
  });
}

}  // namespace moecal::kernels
