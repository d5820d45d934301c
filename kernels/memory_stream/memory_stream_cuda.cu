// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "kernels/memory_stream/memory_stream.hpp"
#include "kernels/warp.cuh"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

constexpr int kBlockThreads = 256;
constexpr int kWarps = kBlockThreads / 32;
// 16-byte words a thread has under way before the first use: hides the latency.
constexpr int kWordsInFlight = static_cast<int>(kStreamBlockElements) / 4 / kBlockThreads;

struct Floats {
  float value[4];
};

__device__ Floats unpack(const uint4& word) {
  Floats floats;
  memcpy(&floats, &word, sizeof word);
  return floats;
}

__device__ uint4 pack(const Floats& floats) {
  uint4 word;
  memcpy(&word, &floats, sizeof word);
  return word;
}

__device__ std::int64_t word_of(int turn) {
  return (std::int64_t{blockIdx.x} * kWordsInFlight + turn) * kBlockThreads + threadIdx.x;
}

__global__ void __launch_bounds__(kBlockThreads)
    read_words(const uint4* source, std::int64_t words, float* sums) {
  __shared__ float of_warp[kWarps];
  uint4 held[kWordsInFlight] = {};
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i)
    if (word_of(i) < words) held[i] = source[word_of(i)];
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i) {
    const Floats floats = unpack(held[i]);
    sum += (floats.value[0] + floats.value[1]) + (floats.value[2] + floats.value[3]);
  }
  sum = over_lanes(sum, Sum{});
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = over_lanes(threadIdx.x < kWarps ? of_warp[threadIdx.x] : 0.0F, Sum{});
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kBlockThreads)
    write_words(uint4* target, std::int64_t words, float factor) {
  const uint4 word = pack({factor, factor, factor, factor});
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i)
    if (word_of(i) < words) target[word_of(i)] = word;
}

__global__ void __launch_bounds__(kBlockThreads)
    add_words(const uint4* first, const uint4* second, uint4* target, std::int64_t words) {
  uint4 a[kWordsInFlight] = {}, b[kWordsInFlight] = {};
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i)
    if (word_of(i) < words) {
      a[i] = first[word_of(i)];
      b[i] = second[word_of(i)];
    }
#pragma unroll
  for (int i = 0; i < kWordsInFlight; ++i) {
    if (word_of(i) >= words) continue;
    Floats sum = unpack(a[i]);
    const Floats other = unpack(b[i]);
#pragma unroll
    for (int e = 0; e < 4; ++e) sum.value[e] += kStreamFactor * other.value[e];
    target[word_of(i)] = pack(sum);
  }
}

}  // namespace

void memory_stream_cuda(const MemoryStreamShape& shape, const MemoryStreamTensors& t,
                        Stream stream) {
  check_shape(shape);
  if (shape.bytes == 0) return;
  const std::int64_t words = shape.bytes / 16;
  const LaunchConfig config{.what = "memory_stream",
                            .grid = dim3{static_cast<unsigned>(stream_sums(shape))},
                            .block = dim3{kBlockThreads},
                            .stream = stream};
  const auto* first = reinterpret_cast<const uint4*>(t.first);
  const auto* second = reinterpret_cast<const uint4*>(t.second);
  auto* target = reinterpret_cast<uint4*>(t.target);
  if (shape.writes == 0) return launch(config, read_words, first, words, t.target);
  if (shape.reads == 0) return launch(config, write_words, target, words, kStreamFactor);
  launch(config, add_words, first, second, target, words);
}

}  // namespace moecal::kernels
