// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "kernels/topk_gate/choose_experts.cuh"
#include "kernels/topk_gate/topk_gate.hpp"
#include "kernels/warp.cuh"
#include "runtime/launch.cuh"

// choose_experts reads the logits; what follows is a stable counting sort of the choices by expert.
// A tile of choices is counted by a block (count_tiles), the counts are summed over the tiles
// before (scan_tiles), and every tile then knows where its choices go (place_choices). Where there
// is but one tile its block does it all (sort_tile): of few choices, launches are most of the time.
namespace moecal::kernels {
namespace {

constexpr int kMaxExperts = 512;
constexpr int kBlockThreads = 256;
constexpr int kWarps = kBlockThreads / kWarpSize;
constexpr int kWarpChoices = 128;  // consecutive choices of one warp
constexpr int kTileChoices = kWarps * kWarpChoices;
constexpr int kNoExpert = -1;

/// The shape and tensors as the kernels use them.
struct Gate {
  std::int64_t tokens;
  int experts;
  int top_k;
  std::int64_t capacity;
  std::int64_t choices;  // tokens x top_k
  int row_multiple;
  int tiles;
  TopkGateTensors tensors;
  int* tile_counts;  // [experts, tiles]: choices of an expert in a tile; after scan_tiles in those
                     // before
};

// ---- sorting the choices by expert --------------------------------------------------------------

/// The experts of a thread's choices of a tile, every 32nd of its warp's; kNoExpert past the last.
struct OwnChoices {
  static constexpr int kCount = kWarpChoices / kWarpSize;
  int expert[kCount];
};

__device__ inline std::int64_t first_choice_of_warp() {
  return std::int64_t{blockIdx.x} * kTileChoices +
         static_cast<int>(threadIdx.x) / kWarpSize * kWarpChoices;
}

/// All are on their way before the first is used.
__device__ inline OwnChoices own_choices(const Gate& gate) {
  const std::int64_t first = first_choice_of_warp() + static_cast<int>(threadIdx.x) % kWarpSize;
  OwnChoices own;
#pragma unroll
  for (int i = 0; i < OwnChoices::kCount; ++i) {
    const std::int64_t choice = first + i * kWarpSize;
    own.expert[i] = choice < gate.choices ? gate.tensors.expert_of[choice] : kNoExpert;
  }
  return own;
}

/// Adds one per choice to its expert's count.
__device__ inline void count_own(const OwnChoices& own, int* counts) {
#pragma unroll
  for (int i = 0; i < OwnChoices::kCount; ++i)
    if (own.expert[i] != kNoExpert) atomicAdd(&counts[own.expert[i]], 1);
}

__global__ void __launch_bounds__(kBlockThreads) count_tiles(Gate gate) {
  int* counts = dynamic_shared<int>();  // [experts]
  const int thread = static_cast<int>(threadIdx.x);
  const OwnChoices own = own_choices(gate);
  for (int expert = thread; expert < gate.experts; expert += kBlockThreads) counts[expert] = 0;
  __syncthreads();
  count_own(own, counts);
  __syncthreads();
  for (int expert = thread; expert < gate.experts; expert += kBlockThreads)
    gate.tile_counts[std::int64_t{expert} * gate.tiles + blockIdx.x] = counts[expert];
}

struct Scan {
  int before;  // sum over the threads before this one
  int total;   // over the whole block
};

/// Sums `value` over the block; `warp_sums` is shared memory for kWarps numbers.
__device__ inline Scan scan_block(int value, int* warp_sums) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  int inclusive = value;
#pragma unroll
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const int below = __shfl_up_sync(kAllLanes, inclusive, distance);
    if (lane >= distance) inclusive += below;
  }
  __syncthreads();  // the sums of the call before have been read
  if (lane == kWarpSize - 1) warp_sums[warp] = inclusive;
  __syncthreads();
  Scan scan{inclusive - value, 0};
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) scan.before += warp_sums[w];
    scan.total += warp_sums[w];
  }
  return scan;
}

// A block per expert.
__global__ void __launch_bounds__(kBlockThreads) scan_tiles(Gate gate) {
  __shared__ int warp_sums[kWarps];
  int* tile_counts = gate.tile_counts + std::int64_t{blockIdx.x} * gate.tiles;
  int before = 0;
  for (int first = 0; first < gate.tiles; first += kBlockThreads) {
    const int tile = first + static_cast<int>(threadIdx.x);
    const Scan scan = scan_block(tile < gate.tiles ? tile_counts[tile] : 0, warp_sums);
    if (tile < gate.tiles) tile_counts[tile] = before + scan.before;
    before += scan.total;
  }
  if (threadIdx.x == 0) gate.tensors.counts[blockIdx.x] = before;
}

/// Of an expert's rows: what lies within the capacity, padded.
__device__ inline int rows_of_count(const Gate& gate, std::int64_t count) {
  if (gate.capacity != 0 && count > gate.capacity) count = gate.capacity;
  const int rows = static_cast<int>(count) + gate.row_multiple - 1;
  return rows / gate.row_multiple * gate.row_multiple;
}

/// Every block works the expert offsets out for itself, of what count_of(expert) says; block 0 also
/// writes them down. The thread that asks for an expert's count is the one that sets its offset.
template <class CountOf>
__device__ void find_offsets(const Gate& gate, int* offsets, int* warp_sums, CountOf count_of) {
  int before = 0;
  for (int first = 0; first < gate.experts; first += kBlockThreads) {
    const int expert = first + static_cast<int>(threadIdx.x);
    const std::int64_t count = expert < gate.experts ? count_of(expert) : 0;
    const Scan scan = scan_block(rows_of_count(gate, count), warp_sums);
    if (expert < gate.experts) {
      offsets[expert] = before + scan.before;
      if (blockIdx.x == 0) gate.tensors.offsets[expert] = offsets[expert];
    }
    before += scan.total;
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) gate.tensors.offsets[gate.experts] = before;
}

/// next_rank[warp][expert]: the warp's choices of the expert.
__device__ inline void count_by_warp(const Gate& gate, const OwnChoices& own, int* next_rank) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kWarps * gate.experts; i += kBlockThreads) next_rank[i] = 0;
  __syncthreads();
  count_own(own, next_rank + thread / kWarpSize * gate.experts);
  __syncthreads();
}

/// Makes of an expert's counts by warp how many of its choices come before the warp's first, if
/// `rank` come before the tile's; returns how many come before the next tile's.
__device__ inline int rank_warps(const Gate& gate, int expert, int rank, int* next_rank) {
  int counts[kWarps];
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) counts[warp] = next_rank[warp * gate.experts + expert];
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) {
    next_rank[warp * gate.experts + expert] = rank;
    rank += counts[warp];
  }
  return rank;
}

/// A warp takes its choices 32 at a time and in order. A choice's rank among those of its expert is
/// the number before this step plus the number of lower lanes with the same expert: no race decides
/// it.
__device__ inline void place_own(const Gate& gate, const OwnChoices& own, const int* offsets,
                                 int* next_rank) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int* own_next_rank = next_rank + static_cast<int>(threadIdx.x) / kWarpSize * gate.experts;
#pragma unroll
  for (int i = 0; i < OwnChoices::kCount; ++i) {
    const int expert = own.expert[i];
    const unsigned peers = __match_any_sync(kAllLanes, expert);
    const int peers_below = __popc(peers & ((1U << lane) - 1));
    if (expert != kNoExpert) {
      const int rank = own_next_rank[expert] + peers_below;
      const bool fits = gate.capacity == 0 || rank < gate.capacity;
      gate.tensors.row_of[first_choice_of_warp() + i * kWarpSize + lane] =
          fits ? offsets[expert] + rank : -1;
    }
    __syncwarp();
    if (expert != kNoExpert && peers_below == 0) own_next_rank[expert] += __popc(peers);
    __syncwarp();
  }
}

__global__ void __launch_bounds__(kBlockThreads) place_choices(Gate gate) {
  __shared__ int warp_sums[kWarps];
  int* offsets = dynamic_shared<int>();     // [experts]
  int* next_rank = offsets + gate.experts;  // [kWarps, experts]
  const OwnChoices own = own_choices(gate);
  find_offsets(gate, offsets, warp_sums, [&](int expert) { return gate.tensors.counts[expert]; });
  count_by_warp(gate, own, next_rank);
  for (int expert = static_cast<int>(threadIdx.x); expert < gate.experts; expert += kBlockThreads)
    rank_warps(gate, expert, gate.tile_counts[std::int64_t{expert} * gate.tiles + blockIdx.x],
               next_rank);
  __syncthreads();
  place_own(gate, own, offsets, next_rank);
}

__global__ void __launch_bounds__(kBlockThreads) sort_tile(Gate gate) {
  __shared__ int warp_sums[kWarps];
  int* offsets = dynamic_shared<int>();     // [experts]; counts before
  int* next_rank = offsets + gate.experts;  // [kWarps, experts]
  const OwnChoices own = own_choices(gate);
  count_by_warp(gate, own, next_rank);
  for (int expert = static_cast<int>(threadIdx.x); expert < gate.experts; expert += kBlockThreads) {
    offsets[expert] = rank_warps(gate, expert, 0, next_rank);
    gate.tensors.counts[expert] = offsets[expert];
  }
  find_offsets(gate, offsets, warp_sums, [&](int expert) { return offsets[expert]; });
  __syncthreads();
  place_own(gate, own, offsets, next_rank);
}

// ---- making new logits of a pool ----------------------------------------------------------------

/// A block copies a row, an element of 16 bits a thread and step.
__global__ void gather_rows(GatheredRows rows) {
  const std::int64_t elements = rows.row_bytes / 2;
  for (std::int64_t row = blockIdx.x; row < rows.rows; row += gridDim.x) {
    const auto* from = static_cast<const std::uint16_t*>(rows.from) + rows.sources[row] * elements;
    auto* to = static_cast<std::uint16_t*>(rows.to) + row * elements;
    for (std::int64_t i = threadIdx.x; i < elements; i += blockDim.x) to[i] = from[i];
  }
}

// ---- launching ----------------------------------------------------------------------------------

int tiles_of(const TopkGateShape& shape) {
  // At least one: with no tokens, counts and offsets are still to be written.
  return static_cast<int>(
      std::max<std::int64_t>(1, (shape.tokens * shape.top_k + kTileChoices - 1) / kTileChoices));
}

Gate view_of(const TopkGateShape& shape, const TopkGateTensors& tensors, void* workspace) {
  return {.tokens = shape.tokens,
          .experts = static_cast<int>(shape.experts),
          .top_k = static_cast<int>(shape.top_k),
          .capacity = shape.capacity,
          .choices = shape.tokens * shape.top_k,
          .row_multiple = static_cast<int>(shape.row_multiple),
          .tiles = tiles_of(shape),
          .tensors = tensors,
          .tile_counts = static_cast<int*>(workspace)};
}

void sort_choices(const Gate& gate, Stream stream) {
  const dim3 block{kBlockThreads, 1, 1};
  const dim3 per_tile{static_cast<unsigned>(gate.tiles), 1, 1};
  const dim3 per_expert{static_cast<unsigned>(gate.experts), 1, 1};
  const std::size_t expert_bytes = static_cast<std::size_t>(gate.experts) * sizeof(int);
  if (gate.tiles == 1)
    return launch({"sort choices", per_tile, block, (kWarps + 1) * expert_bytes, stream}, sort_tile,
                  gate);
  launch({"count choices", per_tile, block, expert_bytes, stream}, count_tiles, gate);
  launch({"scan choice counts", per_expert, block, 0, stream}, scan_tiles, gate);
  launch({"place choices", per_tile, block, (kWarps + 1) * expert_bytes, stream}, place_choices,
         gate);
}

/// Whether rows of logits consist of whole, aligned chunks of 16 bytes.
bool lie_in_chunks(const TopkGateShape& shape, const void* logits) {
  return reinterpret_cast<std::uintptr_t>(logits) % 16 == 0 &&
         shape.experts * size_of(shape.dtype) % 16 == 0;
}

void check_on_cuda(const TopkGateShape& shape) {
  check_shape(shape);
  if (shape.experts > kMaxExperts)
    throw Unsupported{"topk_gate on CUDA takes at most " + std::to_string(kMaxExperts) +
                      " experts, not " + std::to_string(shape.experts)};
}

}  // namespace

std::size_t topk_gate_cuda_workspace(const TopkGateShape& shape) {
  return static_cast<std::size_t>(shape.experts) * static_cast<std::size_t>(tiles_of(shape)) *
         sizeof(int);
}

void choose_experts_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors,
                         Stream stream) {
  check_on_cuda(shape);
  if (shape.tokens == 0) return;
  with_float_type(shape.dtype, [&](auto zero) {
    launch_choose_experts<DeviceType<decltype(zero)>>(
        {.logits = tensors.logits,
         .expert_of = tensors.expert_of,
         .weight_of = tensors.weight_of,
         .tokens = shape.tokens,
         .experts = static_cast<int>(shape.experts),
         .top_k = static_cast<int>(shape.top_k),
         .scores = shape.scores,
         .whole_chunks = lie_in_chunks(shape, tensors.logits),
         .in_fours = lie_in_fours(tensors.expert_of, tensors.weight_of, shape.top_k)},
        stream);
  });
}

void sort_choices_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors, void* workspace,
                       Stream stream) {
  check_on_cuda(shape);
  sort_choices(view_of(shape, tensors, workspace), stream);
}

void topk_gate_cuda(const TopkGateShape& shape, const TopkGateTensors& tensors, void* workspace,
                    Stream stream) {
  choose_experts_cuda(shape, tensors, stream);
  sort_choices_cuda(shape, tensors, workspace, stream);
}

void gather_rows_cuda(const GatheredRows& rows) {
  if (rows.rows == 0) return;
  constexpr std::int64_t kMostBlocks = 1 << 16;
  const auto blocks = static_cast<unsigned>(std::min(rows.rows, kMostBlocks));
  launch({.what = "gather rows", .grid = dim3{blocks, 1, 1}, .block = dim3{128, 1, 1}}, gather_rows,
         rows);
  if (const auto status = cudaStreamSynchronize(nullptr); status != cudaSuccess)
    throw Error{std::string{"gathering rows failed: "} + cudaGetErrorString(status)};
}

}  // namespace moecal::kernels
