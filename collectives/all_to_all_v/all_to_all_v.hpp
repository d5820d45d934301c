// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "collectives/collective.hpp"
#include "collectives/routed_exchange.hpp"
#include "core/routing.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group sends each rank the rows that its tokens' experts need there: the exchange
/// of an expert-parallel layer. Rank r holds an equal share of the experts, the r-th; tokens are
/// those of one rank. What is sent is the output of `permute`, whose rows are sorted by expert and
/// so by rank; what is received is ordered by source. The type only names the payload: the bytes
/// travel as they are.
namespace moecal::collectives {

/// All functions from here on need shape.exchange.
/// What the rank with the most to send, and that with the most to receive, need.
[[nodiscard]] CollectiveBuffers all_to_all_v_buffers(const CollectiveShape& shape);
/// Of an even exchange, from shape.bytes alone: those of one rank's rows, (n-1)/n of which leave
/// it.
[[nodiscard]] Work all_to_all_v_work(const CollectiveShape& shape);

/// The pattern of one rank, and 0 if it received what it should, else 1.
void all_to_all_v_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double all_to_all_v_error(const CollectiveShape& shape, int rank,
                                        std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void all_to_all_v_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if a rank sends or receives more bytes than MPI's int counts.
void all_to_all_v_check_mpi(const CollectiveShape& shape);
/// MPI_Alltoallv. Returns when this rank is done. @throws Unsupported as all_to_all_v_check_mpi
/// does, or if `group` is no MPI plane.
void all_to_all_v_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                      ControlPlane& group);
/// One ncclSend and one ncclRecv per rank with rows to exchange, in one NCCL group. Enqueues on
/// `stream`; does not synchronise.
void all_to_all_v_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                       NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
