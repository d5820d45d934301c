// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group sends one block to each rank, itself included. `bytes` is one rank's send
/// buffer of `group` equal blocks: send is [group, block] by target, receive [group, block] by
/// source. The type only names the payload: the bytes travel as they are.
namespace moecal::collectives {

/// @throws Unsupported if the bytes are not `group` blocks of whole elements.
[[nodiscard]] std::int64_t all_to_all_block_bytes(const CollectiveShape& shape);
/// As much to send as to receive. @throws Unsupported as all_to_all_block_bytes does.
[[nodiscard]] CollectiveBuffers all_to_all_buffers(const CollectiveShape& shape);
/// Of the pairwise exchange, per rank: a block and a message to each of the n-1 others.
[[nodiscard]] Work all_to_all_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else 1.
void all_to_all_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double all_to_all_error(const CollectiveShape& shape, int rank,
                                      std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void all_to_all_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the bytes are no whole blocks, or a block has more than MPI's int counts.
void all_to_all_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as all_to_all_check_mpi does, or if `group`
/// is no MPI plane.
void all_to_all_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group);
/// @throws Unsupported if the NCCL library that runs has no ncclAlltoAll.
void all_to_all_check_nccl(const CollectiveShape& shape);
/// ncclAlltoAll. Enqueues on `stream`; does not synchronise.
void all_to_all_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream);
/// One ncclSend and one ncclRecv per rank in one NCCL group. Enqueues on `stream`.
void all_to_all_nccl_send_recv(const CollectiveShape& shape, const CollectiveTensors& tensors,
                               NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
