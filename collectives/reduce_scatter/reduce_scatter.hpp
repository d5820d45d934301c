// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group gets its block of the element-wise sum of all ranks' buffers. `bytes` is
/// one rank's whole input: send is [group, block], receive one block of f32, f16, bf16 or FP8.
namespace moecal::collectives {

/// All blocks to send, one to receive. @throws Unsupported if the bytes are not `group` blocks of
/// whole elements, or the sum over the group is not exact in the type.
[[nodiscard]] CollectiveBuffers reduce_scatter_buffers(const CollectiveShape& shape);
/// Of a ring, per rank: a block sent in each of the n-1 steps, and one that came added.
[[nodiscard]] Work reduce_scatter_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else the largest relative error
/// of the first piece that differs.
void reduce_scatter_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double reduce_scatter_error(const CollectiveShape& shape, int rank,
                                          std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void reduce_scatter_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the type is not f32 or a block has more elements than MPI's int counts.
void reduce_scatter_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as reduce_scatter_check_mpi does, or if
/// `group` is no MPI plane.
void reduce_scatter_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                        ControlPlane& group);
/// ncclReduceScatter. Enqueues on `stream`; does not synchronise.
void reduce_scatter_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                         NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
