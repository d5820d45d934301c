// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Tests the instrument: what the emulation must compute, and what it must refuse.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "kernels/sign_masks.cuh"
#include "runtime/async_copy.cuh"
#include "runtime/launch.cuh"
#include "tests/cuda_on_cpu/sanitizer.hpp"

namespace moecal {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr unsigned kAllLanes = 0xffffffffU;

LaunchConfig one_block(unsigned threads, std::size_t shared_bytes = 0) {
  return {.what = "test",
          .grid = {1, 1, 1},
          .block = {threads, 1, 1},
          .dynamic_shared_bytes = shared_bytes};
}

__global__ void write_number(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * blockIdx.y;
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] +=
      static_cast<int>(thread + 100 * block);
}

TEST(CudaOnCpu, RunsEveryThreadOfEveryBlockOnce) {
  std::vector<int> out(2 * 3 * 24);
  launch({.what = "test", .grid = {2, 3, 1}, .block = {2, 3, 4}}, write_number, out.data());
  for (int i = 0; i < static_cast<int>(out.size()); ++i) EXPECT_EQ(out[i], i % 24 + i / 24 * 100);
}

// A sum over a block as a kernel would do it: every __syncthreads is needed.
__global__ void sum_of_block(const int* in, int* out) {
  int* partial = dynamic_shared<int>();
  partial[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) out[blockIdx.x] = partial[0];
}

TEST(CudaOnCpu, BarriersSeparateWritesFromReads) {
  std::vector<int> in(3 * 64);
  std::iota(in.begin(), in.end(), 0);
  std::vector<int> out(3);
  launch({.what = "test", .grid = {3, 1, 1}, .block = {64, 1, 1}, .dynamic_shared_bytes = 256},
         sum_of_block, in.data(), out.data());
  EXPECT_EQ(out, (std::vector<int>{2016, 6112, 10208}));
}

__global__ void sum_without_barrier(int* out) {
  int* partial = dynamic_shared<int>();
  partial[threadIdx.x] = 1;
  if (threadIdx.x < 32) out[32 * blockIdx.x + threadIdx.x] = 1 + partial[threadIdx.x + 32];
}

TEST(CudaOnCpu, AMissingBarrierShowsInOneOfTheOrders) {
  if (cuda_on_cpu::built_with_thread_sanitizer())
    GTEST_SKIP() << "ThreadSanitizer ends this kernel, as it should: see the tests of Races";
  std::vector<int> out(2 * 32);
  launch({.what = "test", .grid = {2, 1, 1}, .block = {64, 1, 1}, .dynamic_shared_bytes = 256},
         sum_without_barrier, out.data());
  EXPECT_THAT(out, testing::Contains(testing::Ne(2)));
}

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(kAllLanes, lane, 5);
  out[32 + lane] = __shfl_xor_sync(kAllLanes, lane, 3);
  out[64 + lane] = __shfl_up_sync(kAllLanes, lane, 1);
  out[96 + lane] = __shfl_down_sync(kAllLanes, lane, 30);
  out[128 + lane] = __shfl_sync(kAllLanes, lane, 1, 8);
  out[160 + lane] = __shfl_xor_sync(kAllLanes, lane, 4, 4);
}

TEST(CudaOnCpu, ShufflesReadTheLaneThatCudaSays) {
  std::vector<int> out(6 * 32);
  launch(one_block(32), shuffles, out.data());
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(out[lane], 5);
    EXPECT_EQ(out[32 + lane], lane ^ 3);
    EXPECT_EQ(out[64 + lane], lane == 0 ? 0 : lane - 1);
    EXPECT_EQ(out[96 + lane], lane < 2 ? lane + 30 : lane);
    EXPECT_EQ(out[128 + lane], lane / 8 * 8 + 1);
    EXPECT_EQ(out[160 + lane], lane);
  }
}

// The two halves of a warp take different branches, each with its own mask.
__global__ void votes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  if (lane < 16)
    out[lane] = __ballot_sync(0x0000ffffU, lane % 2 == 0);
  else
    out[lane] = __match_any_sync(0xffff0000U, lane % 3);
}

TEST(CudaOnCpu, VotesSeeTheLanesOfTheirMask) {
  std::vector<unsigned> out(32);
  launch(one_block(32), votes, out.data());
  EXPECT_EQ(out[3], 0x5555U);
  EXPECT_EQ(out[18], 0x49240000U);  // lanes 18, 21, 24, 27, 30
}

__global__ void count(int* total) { atomicAdd(total, 2); }

TEST(CudaOnCpu, AtomicsAdd) {
  int total = 0;
  launch({.what = "test", .grid = {5, 1, 1}, .block = {33, 1, 1}}, count, &total);
  EXPECT_EQ(total, 2 * 5 * 33);
}

__global__ void barrier_in_one_branch() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncwarp(0xffff0000U);
  if (threadIdx.x >= 16) __syncthreads();
}

__global__ void barrier_or_shuffle() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncwarp();
}

TEST(CudaOnCpu, RefusesDivergentBarriers) {
  EXPECT_THAT([] { launch(one_block(32), barrier_in_one_branch); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("__syncthreads is divergent: thread 0")));
  EXPECT_THAT([] { launch(one_block(32), barrier_or_shuffle); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("divergent threads wait")));
}

__global__ void shuffle_with_exited_lane(int* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 1);
}

__global__ void shuffle_outside_own_mask() { __syncwarp(1U); }

__global__ void shuffle_from_outside_the_mask(int* out) {
  if (threadIdx.x < 16) *out = __shfl_sync(0xffffU, 1, 20);
}

__global__ void different_operations(int* out) {
  if (threadIdx.x < 16)
    *out = __shfl_sync(kAllLanes, 1, 0);
  else
    __syncwarp();
}

TEST(CudaOnCpu, RefusesWarpOperationsThatCudaLeavesUndefined) {
  int out[32];
  EXPECT_THAT([&] { launch(one_block(32), shuffle_with_exited_lane, &out[0]); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("lane 3, which has exited")));
  EXPECT_THAT([&] { launch(one_block(16), shuffle_with_exited_lane, &out[0]); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("has exited")));
  EXPECT_THAT([] { launch(one_block(2), shuffle_outside_own_mask); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("lane 1 is not in its own mask")));
  EXPECT_THAT([&] { launch(one_block(32), shuffle_from_outside_the_mask, &out[0]); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("lane 20, which is not in the mask")));
  EXPECT_THAT([&] { launch(one_block(32), different_operations, &out[0]); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("another mask or operation")));
}

// Each thread copies a word and reads its neighbour's; `word` follows from both.
struct Copies {
  const uint4* from = nullptr;
  unsigned* out = nullptr;
  bool wait = true;
  std::size_t behind = 0;  // bytes
};

__global__ void copy_and_read(Copies copies) {
  auto* held = dynamic_shared<unsigned char>() + copies.behind;
  copy_async(reinterpret_cast<uint4*>(held) + threadIdx.x, copies.from + threadIdx.x);
  if (copies.wait) wait_for_copies();
  __syncwarp();
  copies.out[threadIdx.x] = reinterpret_cast<const unsigned*>(held)[4 * (threadIdx.x ^ 1U) + 2];
  __syncwarp();
  wait_for_copies();
}

std::vector<unsigned> copied(Copies copies) {
  std::vector<uint4> from(32);
  for (unsigned i = 0; i < 32; ++i) from[i] = {1, 2, 100 + i, 4};
  std::vector<unsigned> out(32);
  copies.from = from.data();
  copies.out = out.data();
  launch(one_block(32, 33 * 16), copy_and_read, copies);
  return out;
}

TEST(CudaOnCpu, CopiesArriveWhenTheirThreadWaitsAndNoEarlier) {
  const std::vector<unsigned> waited = copied({});
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(waited[i], 100 + (i ^ 1U));
  EXPECT_THAT(copied({.wait = false}), testing::Each(0xcdcdcdcdU));
}

__global__ void end_without_waiting(const uint4* from) {
  if (threadIdx.x == 3) copy_async(dynamic_shared<uint4>(), from);
}

TEST(CudaOnCpu, RefusesCopiesThatNoThreadWaitsForOrThatAreNotAligned) {
  const std::vector<uint4> from(1);
  EXPECT_THAT([&] { launch(one_block(32, 16), end_without_waiting, from.data()); },
              ThrowsMessage<cuda_on_cpu::Error>(
                  HasSubstr("thread 3 ended with 1 copies that it had not waited for")));
  EXPECT_THAT([] { (void)copied({.behind = 8}); },
              ThrowsMessage<cuda_on_cpu::Error>(HasSubstr("not a multiple of 16")));
  EXPECT_EQ(copied({})[0], 101) << "the next kernel runs on the same fibers";
}

TEST(CudaOnCpu, WorksOnHalvesOfWords) {
  EXPECT_EQ(__byte_perm(0x33221100, 0x77665544, 0x3254), 0x33225544U);
  EXPECT_EQ(__byte_perm(0x33221100, 0x77665544, 0x7610), 0x77661100U);
  EXPECT_EQ(kernels::sign_masks(0x80007fff), 0xffff0000U);
  EXPECT_EQ(kernels::sign_masks(0x7fff8000), 0x0000ffffU);
  const auto nan = __float2half_rn(NAN), one = __float2half_rn(1), two = __float2half_rn(2);
  const __half2 highest = __hmax2({nan, two}, {one, one});
  EXPECT_EQ(__half2float(highest.x), 1);
  EXPECT_EQ(__half2float(highest.y), 2);
  const __nv_bfloat16 minus_zero{0x8000}, zero{0};
  const __nv_bfloat162 zeros = __hmax2({minus_zero, zero}, {zero, minus_zero});
  EXPECT_EQ(std::bit_cast<unsigned>(zeros), 0U);
  EXPECT_EQ(std::bit_cast<unsigned>(__hadd2({minus_zero, zero}, {zero, minus_zero})), 0U);
}

__global__ void do_nothing() {}

TEST(CudaOnCpu, RefusesImpossibleLaunches) {
  EXPECT_THROW(launch(one_block(1025), do_nothing), cuda_on_cpu::Error);
  EXPECT_THROW(launch(one_block(0), do_nothing), cuda_on_cpu::Error);
  EXPECT_THROW(launch(one_block(1, 49 * 1024), do_nothing), cuda_on_cpu::Error);
  EXPECT_THROW(launch({.what = "test", .grid = {0, 1, 1}}, do_nothing), cuda_on_cpu::Error);
}

// A kernel that failed leaves no trace: the next one runs on the same fibers.
TEST(CudaOnCpu, GoesOnAfterAFailure) {
  int out[32];
  EXPECT_THROW(launch(one_block(32), shuffle_with_exited_lane, &out[0]), cuda_on_cpu::Error);
  int total = 0;
  launch(one_block(64), count, &total);
  EXPECT_EQ(total, 128);
}

__global__ void write_past_the_end(int* out) { out[threadIdx.x] = 1; }

__global__ void write_past_shared() { dynamic_shared<char>()[threadIdx.x] = 1; }

TEST(CudaOnCpuDeathTest, AddressSanitizerSeesWritesPastTheEnd) {
  if (!cuda_on_cpu::built_with_address_sanitizer())
    GTEST_SKIP() << "needs AddressSanitizer: preset cpu-asan";
  EXPECT_DEATH(
      {
        std::vector<int> out(31);
        launch(one_block(32), write_past_the_end, out.data());
      },
      "heap-buffer-overflow.*in write_past_the_end");
  EXPECT_DEATH(launch(one_block(32, 31), write_past_shared),
               "heap-buffer-overflow.*in write_past_shared");
}

// Kernels that lack something between a write and a read. Whatever the order of the turns, the race
// detector sees it.
__global__ void lacks_a_block_barrier(int* out) {
  int* held = dynamic_shared<int>();
  held[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = held[(threadIdx.x + 32) % blockDim.x];
}

__global__ void takes_a_shuffle_for_a_barrier(int* out) {
  int* held = dynamic_shared<int>();
  held[threadIdx.x] = static_cast<int>(threadIdx.x);
  (void)__shfl_sync(kAllLanes, 0, 0);
  out[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];
}

__global__ void lacks_the_second_barrier(int* out) {
  int* held = dynamic_shared<int>();
  held[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];
  held[threadIdx.x] = 0;
}

__global__ void counts_without_an_atomic(int* out) { out[threadIdx.x % 8] += 1; }

__global__ void reads_anothers_copy_without_a_barrier(int* out) {
  uint4* held = dynamic_shared<uint4>();
  const uint4 word{};
  if (threadIdx.x % 32 == 0) copy_async(held, &word);
  wait_for_copies();
  if (threadIdx.x == 1) *out = static_cast<int>(held->x);
}

__global__ void copies_to_what_another_reads(int* out) {
  uint4* held = dynamic_shared<uint4>();
  const uint4 word{};
  if (threadIdx.x == 1) *out = static_cast<int>(held->x);
  if (threadIdx.x == 0) copy_async(held, &word);
  wait_for_copies();
}

__global__ void lacks_nothing(int* out) {
  int* held = dynamic_shared<int>();
  if (threadIdx.x == 40) return;
  for (int turn = 0; turn < 5; ++turn) {
    held[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncthreads();
    out[threadIdx.x] = held[(threadIdx.x + 1) % 40];
    __syncthreads();
    const unsigned lane = threadIdx.x % 32;
    const unsigned half = threadIdx.x < 32 ? (lane < 16 ? 0x0000ffffU : 0xffff0000U) : 0;
    if (half == 0) continue;
    for (unsigned i = 0; i <= lane / 16; ++i) {  // the upper half more often
      held[threadIdx.x] = turn;
      __syncwarp(half);
      out[threadIdx.x] += held[threadIdx.x ^ 1U];
      __syncwarp(half);
    }
  }
  atomicAdd(&out[64], 1);
}

using Kernel = void (*)(int*);

void run_pairs(Kernel kernel) {
  std::vector<int> out(65);
  launch({.what = "test", .grid = {2, 1, 1}, .block = {64, 1, 1}, .dynamic_shared_bytes = 256},
         kernel, out.data());
  std::exit(0);
}

class Races : public testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_on_cpu::built_with_thread_sanitizer())
      GTEST_SKIP() << "this build has no ThreadSanitizer (preset cpu-tsan)";
  }
};

TEST_F(Races, AreSeenWhereABarrierIsMissing) {
  for (const Kernel kernel : {lacks_a_block_barrier, takes_a_shuffle_for_a_barrier,
                              lacks_the_second_barrier, counts_without_an_atomic,
                              reads_anothers_copy_without_a_barrier, copies_to_what_another_reads})
    EXPECT_DEATH(run_pairs(kernel), "data race");
}

TEST_F(Races, AreNotSeenWhereBarriersOrderEverything) {
  EXPECT_EXIT(run_pairs(lacks_nothing), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace moecal
