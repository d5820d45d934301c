// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "core/routing.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// What an expert-parallel layer does around its experts: every rank of a group sorts its tokens by
/// expert (permute), sends each rank the rows of its experts (dispatch), gets them back (combine),
/// and adds each token's rows by their weights (unpermute). The experts in between are the
/// identity. Rank r holds the r-th share of the experts; all steps take their counts from one draw
/// of all the group's tokens, rank r's being the r-th share. Not in it: the sort by expert that a
/// layer may need of the rows it received, which come ordered by source, then by expert.
namespace moecal::layers {

struct DispatchCombineShape {
  std::int64_t tokens = 0;  // of one rank
  std::int64_t hidden = 0;
  std::int64_t experts = 0;  // of all ranks
  std::int64_t top_k = 0;
  int group = 1;              // ranks
  Dtype dtype = Dtype::bf16;  // f32, f16 or bf16

  [[nodiscard]] std::int64_t row_bytes() const { return hidden * size_of(dtype); }
};

enum class Step { permute, dispatch, combine, unpermute };
inline constexpr std::array<Step, 4> kSteps{Step::permute, Step::dispatch, Step::combine,
                                            Step::unpermute};
[[nodiscard]] std::string_view to_string(Step step);

/// Where one rank's tokens go.
struct RankRouting {
  std::vector<std::int32_t> row_of;  // [tokens, top_k]: the row of what the rank sends; -1: dropped
  std::vector<float> weight_of;      // [tokens, top_k]
};

/// What all ranks of a group agree on.
struct DispatchCombinePlan {
  DispatchCombineShape shape;
  collectives::RoutedExchange dispatch;
  collectives::RoutedExchange combine;  // the same rows the other way
  std::vector<RankRouting> ranks;       // [group]

  /// The exchange of a step (dispatch or combine) as all_to_all_v takes it.
  [[nodiscard]] collectives::CollectiveShape exchange(Step step) const;
};

/// @throws Unsupported if the experts are no equal shares of the ranks; InvalidInput as
/// draw_routing does, or for a dtype without arithmetic.
[[nodiscard]] DispatchCombinePlan plan_dispatch_combine(const DispatchCombineShape& shape,
                                                        const RoutingSpec& spec);

/// One rank's memory: the device's for NCCL, else the host's.
struct DispatchCombineTensors {
  const void* tokens = nullptr;          // in: [tokens, hidden], row-major
  const std::int32_t* row_of = nullptr;  // in: RankRouting's
  const float* weight_of = nullptr;      // in: RankRouting's
  std::byte* rows = nullptr;             // scratch: [tokens x top_k, hidden]; sent, and got back
  std::byte* received = nullptr;         // scratch: rows of the other ranks' tokens
  void* combined = nullptr;              // out: [tokens, hidden], row-major
};

/// Bytes of the largest rank's rows and of what the busiest rank receives.
[[nodiscard]] collectives::CollectiveBuffers dispatch_combine_buffers(
    const DispatchCombinePlan& plan);
/// Of one rank in an even exchange, from the shape alone.
[[nodiscard]] Work dispatch_combine_work(const DispatchCombineShape& shape);

/// Tokens of a rank that differ from row to row and from rank to rank; every element is exact in
/// any of the types. `tokens`: [tokens, hidden].
void fill_tokens(const DispatchCombineShape& shape, int rank, std::span<std::byte> tokens);
/// 0 if every row that `rank` received is the token that its source sent there, else 1.
[[nodiscard]] double received_error(const DispatchCombinePlan& plan, int rank,
                                    std::span<const std::byte> received);

/// What a rank must get: each of its tokens times the sum of the weights of its choices that were
/// not dropped. Without experts that change rows nothing has to travel for it. `combined`: [tokens,
/// hidden].
void weighted_tokens(const DispatchCombinePlan& plan, int rank, std::span<std::byte> combined);

/// The oracle: all ranks in one process, [group].
void dispatch_combine_local(const DispatchCombinePlan& plan,
                            std::span<const DispatchCombineTensors> ranks);

/// @throws Unsupported if a rank sends or receives more bytes than MPI's int counts.
void dispatch_combine_check_mpi(const DispatchCombinePlan& plan);
/// One step on this rank of `group`, an MPI plane: the plain loops of permute and unpermute,
/// MPI_Alltoallv. Returns when this rank is done.
void dispatch_combine_mpi(const DispatchCombinePlan& plan, Step step,
                          const DispatchCombineTensors& tensors, ControlPlane& group);
/// One step: own kernels, ncclSend and ncclRecv. Enqueues on `stream`; does not synchronise.
void dispatch_combine_nccl(const DispatchCombinePlan& plan, Step step,
                           const DispatchCombineTensors& tensors,
                           collectives::NcclCommunicator group, Stream stream);

}  // namespace moecal::layers
