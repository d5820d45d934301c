// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "collectives/collective.hpp"
#include "core/work.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

/// Every rank of a group gets the element-wise sum of all ranks' buffers. `bytes` is one rank's
/// buffer; send and receive are [elements] of f32, f16, bf16 or FP8.
namespace moecal::collectives {

/// Of a ring, per rank: each of the n-1 steps of the reduce-scatter and of the all-gather sends one
/// n-th, and the former adds it.
[[nodiscard]] Work all_reduce_work(const CollectiveShape& shape);

/// @throws Unsupported if the bytes are no whole elements, or the sum over the group is not exact
/// in the type.
[[nodiscard]] std::int64_t all_reduce_elements(const CollectiveShape& shape);
/// As much to send as to receive. @throws Unsupported as all_reduce_elements does.
[[nodiscard]] CollectiveBuffers all_reduce_buffers(const CollectiveShape& shape);

/// The pattern of one rank; and 0 if it received the sum, else the largest relative error of the
/// first piece that differs. @throws Unsupported as all_reduce_elements does.
void all_reduce_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send);
[[nodiscard]] double all_reduce_error(const CollectiveShape& shape,
                                      std::span<const std::byte> receive);

/// The oracle: all ranks in one process, [group].
void all_reduce_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks);
/// @throws Unsupported if the type is not f32 or there are more elements than MPI's int counts.
void all_reduce_check_mpi(const CollectiveShape& shape);
/// Returns when this rank is done. @throws Unsupported as all_reduce_check_mpi does, or if `group`
/// is no MPI plane.
void all_reduce_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group);
/// Enqueues on `stream`; does not synchronise.
void all_reduce_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream);

}  // namespace moecal::collectives
