// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_fp16.h>
#include <mma.h>

#include "runtime/device_products.hpp"
#include "runtime/launch.cuh"

namespace moecal {
namespace {

namespace wmma = nvcuda::wmma;

constexpr unsigned kBlocks = 1024;
constexpr unsigned kThreads = 128;
constexpr int kRounds = 4000;
constexpr int kTile = 16;
constexpr int kAtOnce = 4;  // products of a warp that do not wait for one another

using Left = wmma::fragment<wmma::matrix_a, kTile, kTile, kTile, __half, wmma::row_major>;
using Right = wmma::fragment<wmma::matrix_b, kTile, kTile, kTile, __half, wmma::col_major>;
using Sum = wmma::fragment<wmma::accumulator, kTile, kTile, kTile, float>;

// Numbers in [-1, 1) that differ: zeros would draw less power.
template <class Fragment>
__device__ void fill(Fragment& fragment, unsigned seed) {
  for (int i = 0; i < fragment.num_elements; ++i) {
    seed = 1664525U * seed + 1013904223U;
    fragment.x[i] = __float2half(static_cast<float>(seed >> 8) / 8388608.0F - 1.0F);
  }
}

// Products of tiles that stay in registers, kThreads threads a block: the tensor cores' load alone.
// `sums` [1] would be written if the sum of all were no number: so the compiler drops no product.
__global__ void multiply(float* sums, int rounds) {
  Left left;
  Right right;
  Sum sum[kAtOnce];
  fill(left, blockIdx.x * blockDim.x + threadIdx.x);
  fill(right, ~(blockIdx.x * blockDim.x + threadIdx.x));
  // From different starts: equal sums would be one to a compiler.
  for (int i = 0; i < kAtOnce; ++i) wmma::fill_fragment(sum[i], static_cast<float>(i));
  for (int round = 0; round < rounds; ++round)
    for (auto& each : sum) wmma::mma_sync(each, left, right, each);
  float all = 0;
  for (auto& each : sum)
    for (int i = 0; i < each.num_elements; ++i) all += each.x[i];
  if (isnan(all)) *sums = all;
}

}  // namespace

void enqueue_products(float* sums, Stream stream) {
  launch({.what = "products that warm the device up",
          .grid = dim3{kBlocks},
          .block = dim3{kThreads},
          .stream = stream},
         multiply, sums, kRounds);
}

}  // namespace moecal
