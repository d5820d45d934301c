// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstring>

#include "kernels/element.cuh"
#include "kernels/sign_masks.cuh"

// Two 16-bit logits in a word, worked on together.
namespace moecal::kernels {

template <class T>
struct PairOf;
template <>
struct PairOf<__half> {
  using type = __half2;
  static constexpr unsigned kLowest = 0xfc00fc00U;  // -infinity, twice
};
template <>
struct PairOf<__nv_bfloat16> {
  using type = __nv_bfloat162;
  static constexpr unsigned kLowest = 0xff80ff80U;
};

template <class T>
__device__ typename PairOf<T>::type pair_of(unsigned word) {
  typename PairOf<T>::type pair;
  memcpy(&pair, &word, sizeof pair);
  return pair;
}

template <class Pair>
__device__ unsigned word_of(const Pair& pair) {
  unsigned word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

/// The higher of each half; a number before NaN.
template <class T>
__device__ unsigned higher_halves(unsigned a, unsigned b) {
  return word_of(__hmax2(pair_of<T>(a), pair_of<T>(b)));
}

/// As signed integers in the order of the scores: both zeros are alike, NaN is as -infinity.
template <class T>
__device__ unsigned ordered(unsigned logits) {
  const auto numbers = __hmax2(pair_of<T>(logits), pair_of<T>(PairOf<T>::kLowest));
  const unsigned word = word_of(__hadd2(numbers, pair_of<T>(0)));
  return word ^ (sign_masks(word) & 0x7fff7fffU);
}

/// What ordered() made of a half.
template <class T>
__device__ float score_of(int order) {
  const auto bits = static_cast<unsigned short>(order ^ ((order >> 31) & 0x7fff));
  T logit;
  memcpy(&logit, &bits, sizeof logit);
  return fmaxf(widen(logit), -FLT_MAX);
}

}  // namespace moecal::kernels
