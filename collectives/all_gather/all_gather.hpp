// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group gets the blocks of all ranks. `bytes` is what is gathered: send is one
/// block, receive [group, block] by source. The type only names the payload: the bytes travel as
/// they are.
namespace moecal::collectives {

/// A block to send, all blocks to receive. @throws Unsupported if the bytes are not `group` blocks
/// of whole elements.
[[nodiscard]] CollectiveBuffers all_gather_buffers(const CollectiveShape& shape);
/// Of a ring, per rank: a block in each of the n-1 steps.
[[nodiscard]] Work all_gather_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else 1.
void all_gather_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double all_gather_error(const CollectiveShape& shape, int rank,
                                      std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void all_gather_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the bytes are no whole blocks, or a block has more than MPI's int counts.
void all_gather_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as all_gather_check_mpi does, or if `group`
/// is no MPI plane.
void all_gather_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group);
/// ncclAllGather. Enqueues on `stream`; does not synchronise.
void all_gather_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
