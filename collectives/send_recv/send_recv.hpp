// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group sends one message to the next rank and receives one from the rank before,
/// the last rank's neighbour being rank 0, as nccl-tests' sendrecv does: each link works in both
/// directions at once, and a group of 2 exchanges. `bytes` is one message. The type only names the
/// payload: the bytes travel as they are.
namespace moecal::collectives {

/// As much to send as to receive. @throws Unsupported if the bytes are no whole elements.
[[nodiscard]] CollectiveBuffers send_recv_buffers(const CollectiveShape& shape);
/// One message.
[[nodiscard]] Work send_recv_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else 1.
void send_recv_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double send_recv_error(const CollectiveShape& shape, int rank,
                                     std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void send_recv_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the bytes are no whole elements, or more than MPI's int counts.
void send_recv_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as send_recv_check_mpi does, or if `group`
/// is no MPI plane.
void send_recv_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                   ControlPlane& group);
/// One ncclSend and one ncclRecv in one NCCL group. Enqueues on `stream`; does not synchronise.
void send_recv_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
