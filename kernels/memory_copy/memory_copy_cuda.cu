// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/memory_copy/memory_copy.hpp"
#include "runtime/check.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

constexpr int kBlockThreads = 256;
constexpr int kWordsInFlight = 4;  // loads under way before the first store: hides the latency

template <class Word>
__global__ void __launch_bounds__(kBlockThreads)
    copy_words(const Word* source, Word* target, std::int64_t words) {
  const std::int64_t block_words = std::int64_t{kBlockThreads} * kWordsInFlight;
  const std::int64_t first = blockIdx.x * block_words + threadIdx.x;
  Word held[kWordsInFlight] = {};
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i)
    if (first + i * kBlockThreads < words) held[i] = source[first + i * kBlockThreads];
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i)
    if (first + i * kBlockThreads < words) target[first + i * kBlockThreads] = held[i];
}

template <class Word>
void copy(const void* source, void* target, std::int64_t bytes, Stream stream) {
  const auto words = bytes / static_cast<std::int64_t>(sizeof(Word));
  if (words == 0) return;
  constexpr std::int64_t kBlockWords = std::int64_t{kBlockThreads} * kWordsInFlight;
  const auto blocks = static_cast<unsigned>((words + kBlockWords - 1) / kBlockWords);
  launch(
      {.what = "copy words", .grid = dim3{blocks}, .block = dim3{kBlockThreads}, .stream = stream},
      copy_words<Word>, static_cast<const Word*>(source), static_cast<Word*>(target), words);
}

bool aligned(const MemoryCopyTensors& tensors) {
  return ((reinterpret_cast<std::uintptr_t>(tensors.source) |
           reinterpret_cast<std::uintptr_t>(tensors.target)) %
          sizeof(uint4)) == 0;
}

}  // namespace

// The aligned bulk goes 16 bytes at a time, what is left over byte by byte.
void memory_copy_cuda(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors,
                      Stream stream) {
  constexpr auto kWord = static_cast<std::int64_t>(sizeof(uint4));
  const std::int64_t bulk = aligned(tensors) ? shape.bytes / kWord * kWord : 0;
  copy<uint4>(tensors.source, tensors.target, bulk, stream);
  copy<unsigned char>(tensors.source + bulk, tensors.target + bulk, shape.bytes - bulk, stream);
}

void memory_copy_cuda_runtime(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors,
                              Stream stream) {
  if (shape.bytes == 0) return;
  check(cudaMemcpyAsync(tensors.target, tensors.source, static_cast<std::size_t>(shape.bytes),
                        cudaMemcpyDeviceToDevice, stream),
        "copying device memory");
}

}  // namespace moecal::kernels
