// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/fp8.cuh"
#include "kernels/row_grid.cuh"
#include "kernels/swiglu/swiglu.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

template <class T>
struct Activation {
  const T* gate_up;  // [tokens, 2 x inner]
  void* activated;   // [tokens, inner]
  float* scales;     // [blocks, tokens]
  std::int64_t tokens;
  std::int64_t inner;
  std::int64_t words = 0;  // of a result's row; with a cast chunks, in whole blocks of scales
  int step = 0;            // words between two passes
};

/// x / (1 + exp(-x)) without a branch, so that a thread's elements are under way together. exp's
/// error grows with its argument, (2 + 1.2 |x|) units in the last place, and the quotient's is 2
/// more. Past -87.3, where the divisor passes 2^126 and __fdividef gives 0, it is -0; NaN stays
/// NaN, and -infinity becomes NaN as the oracle's does.
__device__ inline float silu(float x) { return __fdividef(x, 1 + __expf(-x)); }

/// silu(gate) x up of a chunk of which `available` elements exist; the others are 0.
template <class T, bool kAligned>
__device__ void activate_chunk(const T* gate, std::int64_t inner, std::int64_t available,
                               float (&values)[kChunk]) {
  const HeldChunk<T> held_gate = hold_chunk<kAligned>(gate, available);
  const HeldChunk<T> held_up = hold_chunk<kAligned>(gate + inner, available);
  float up[kChunk];
  widen_chunk(held_gate, values);
  widen_chunk(held_up, up);
#pragma unroll
  for (int i = 0; i < kChunk; ++i) values[i] = silu(values[i]) * up[i];
}

// One row of threads per token, a chunk per thread and step: four 16-byte loads are under way at a
// time for 16-bit types. Lanes without a chunk go along: the block scales' shuffles need them.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kRowBlockThreads, kCastBlocks<T, kAligned>)
    cast_rows(Activation<T> view) {
  const std::int64_t token = row_of_thread();
  if (token >= view.tokens) return;
  for (std::int64_t first = first_of_block<1>(); first < view.words; first += view.step) {
    const std::int64_t chunk = first + threadIdx.x;
    const std::int64_t column = chunk * kChunk;
    const std::int64_t place = token * view.inner + column;
    const std::int64_t available = view.inner - column;
    float values[kChunk];
    activate_chunk<T, kAligned>(view.gate_up + place + token * view.inner, view.inner, available,
                                values);
    const ScaleFactors factors = factors_of<Dtype::fp8_e4m3>(amax_of_block(values));
    store_chunk<kAligned, Dtype::fp8_e4m3>(static_cast<std::uint8_t*>(view.activated) + place,
                                           available, factors.factor, values);
    if (chunk < view.words && threadIdx.x % kLanesPerScaleBlock == 0)
      view.scales[chunk / kLanesPerScaleBlock * view.tokens + token] = factors.scale;
  }
}

/// silu(gate) x up of the elements in a word of each.
template <class T, class Word>
__device__ Word activate_word(Word gate, Word up) {
  constexpr int kElements = sizeof(Word) / sizeof(T);
  T gates[kElements], ups[kElements];
  memcpy(gates, &gate, sizeof gate);
  memcpy(ups, &up, sizeof up);
#pragma unroll
  for (int i = 0; i < kElements; ++i) narrow(silu(widen(gates[i])) * widen(ups[i]), gates[i]);
  memcpy(&gate, gates, sizeof gate);
  return gate;
}

/// Words that a thread has under way of the gates, and as many of the ups: 64 bytes of 16-bit
/// types.
template <class T>
inline constexpr int kWordsInFlight = HeldChunk<T>::kWords;

// Neighbouring threads take neighbouring words: what a warp stores at a time fills whole lines.
template <class T, class Word>
__global__ void __launch_bounds__(kRowBlockThreads, kCastBlocks<T, true>)
    activate_rows(Activation<T> view) {
  constexpr int kWords = kWordsInFlight<T>;
  const std::int64_t token = row_of_thread();
  if (token >= view.tokens) return;
  const Word* gates = reinterpret_cast<const Word*>(view.gate_up) + token * 2 * view.words;
  Word* activated = static_cast<Word*>(view.activated) + token * view.words;
  const int stride = static_cast<int>(blockDim.x);
  for (std::int64_t first = first_of_block<kWords>() + static_cast<int>(threadIdx.x);
       first < view.words; first += view.step) {
    Word gate[kWords] = {};
    Word up[kWords] = {};
#pragma unroll
    for (int i = 0; i < kWords; ++i) {
      if (first + i * stride >= view.words) continue;
      gate[i] = gates[first + i * stride];
      up[i] = gates[view.words + first + i * stride];
    }
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      if (first + i * stride < view.words)
        activated[first + i * stride] = activate_word<T>(gate[i], up[i]);
  }
}

template <class T, bool kAligned>
void launch_cast_rows(Activation<T> view, Stream stream) {
  view.words = divided_up(view.inner, kScaleBlock) * kLanesPerScaleBlock;
  const RowGrid rows = row_grid(view.tokens, view.words, {1, 1});
  view.step = rows.step;
  launch(
      {.what = "activate and cast rows", .grid = rows.grid, .block = rows.block, .stream = stream},
      cast_rows<T, kAligned>, view);
}

template <class T, class Word>
void launch_activate_rows(Activation<T> view, Stream stream) {
  view.words =
      view.inner * static_cast<std::int64_t>(sizeof(T)) / static_cast<std::int64_t>(sizeof(Word));
  const RowGrid rows = row_grid(view.tokens, view.words, {1, kWordsInFlight<T>});
  view.step = rows.step;
  launch({.what = "activate rows", .grid = rows.grid, .block = rows.block, .stream = stream},
         activate_rows<T, Word>, view);
}

template <class T>
bool is_aligned(const Activation<T>& view) {
  return (reinterpret_cast<std::uintptr_t>(view.gate_up) |
          reinterpret_cast<std::uintptr_t>(view.activated)) %
                 16 ==
             0 &&
         view.inner % kChunk == 0;
}

}  // namespace

void swiglu_cuda(const SwigluShape& shape, const SwigluTensors& tensors, Stream stream) {
  check_shape(shape);
  if (shape.tokens == 0 || shape.inner == 0) return;
  with_float_type(shape.from, [&](auto zero) {
    using T = DeviceType<decltype(zero)>;
    const Activation<T> view{.gate_up = static_cast<const T*>(tensors.gate_up),
                             .activated = tensors.activated,
                             .scales = tensors.scales,
                             .tokens = shape.tokens,
                             .inner = shape.inner};
    if (shape.to == Dtype::fp8_e4m3)
      return is_aligned(view) ? launch_cast_rows<T, true>(view, stream)
                              : launch_cast_rows<T, false>(view, stream);
    return is_aligned(view) ? launch_activate_rows<T, uint4>(view, stream)
                            : launch_activate_rows<T, T>(view, stream);
  });
}

}  // namespace moecal::kernels
