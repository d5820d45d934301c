// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group gets the buffer of rank 0, the root. `bytes` is that buffer. The type only
/// names the payload: the bytes travel as they are.
namespace moecal::collectives {

/// As much to send as to receive. @throws Unsupported if the bytes are no whole elements.
[[nodiscard]] CollectiveBuffers broadcast_buffers(const CollectiveShape& shape);
/// Per rank, of a pipeline in which every rank but the last passes the buffer on once.
[[nodiscard]] Work broadcast_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else 1.
void broadcast_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double broadcast_error(const CollectiveShape& shape, int rank,
                                     std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void broadcast_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the bytes are no whole elements, or more than MPI's int counts.
void broadcast_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as broadcast_check_mpi does, or if `group`
/// is no MPI plane.
void broadcast_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                   ControlPlane& group);
/// ncclBroadcast. Enqueues on `stream`; does not synchronise.
void broadcast_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
