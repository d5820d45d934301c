// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string>

#include "collectives/all_gather/all_gather.hpp"
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/broadcast/broadcast.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"
#include "collectives/send_recv/send_recv.hpp"

/// The collectives whose points are sizes in bytes, as tests of all of them run them.
namespace moecal::testing {

/// A collective's functions, as its header declares them.
struct TestedCollective {
  std::string name;
  Dtype dtype = Dtype::bf16;  // that every implementation takes
  collectives::CollectiveBuffers (*buffers)(const collectives::CollectiveShape&);
  Work (*work)(const collectives::CollectiveShape&);
  void (*fill)(const collectives::CollectiveShape&, int rank, std::span<std::byte> send);
  void (*local)(const collectives::CollectiveShape&,
                std::span<const collectives::CollectiveTensors> ranks);
  double (*error)(const collectives::CollectiveShape&, int rank,
                  std::span<const std::byte> receive);
};

/// What every rank receives of an all-reduce is the same.
[[nodiscard]] inline double all_reduce_error_of(const collectives::CollectiveShape& shape,
                                                int /*rank*/, std::span<const std::byte> receive) {
  return all_reduce_error(shape, receive);
}

namespace tested {

inline const TestedCollective kAllGather{"all_gather",
                                         Dtype::bf16,
                                         collectives::all_gather_buffers,
                                         collectives::all_gather_work,
                                         collectives::all_gather_fill,
                                         collectives::all_gather_local,
                                         collectives::all_gather_error};
inline const TestedCollective kAllReduce{"all_reduce",
                                         Dtype::f32,
                                         collectives::all_reduce_buffers,
                                         collectives::all_reduce_work,
                                         collectives::all_reduce_fill,
                                         collectives::all_reduce_local,
                                         all_reduce_error_of};
inline const TestedCollective kAllToAll{"all_to_all",
                                        Dtype::bf16,
                                        collectives::all_to_all_buffers,
                                        collectives::all_to_all_work,
                                        collectives::all_to_all_fill,
                                        collectives::all_to_all_local,
                                        collectives::all_to_all_error};
inline const TestedCollective kBroadcast{"broadcast",
                                         Dtype::bf16,
                                         collectives::broadcast_buffers,
                                         collectives::broadcast_work,
                                         collectives::broadcast_fill,
                                         collectives::broadcast_local,
                                         collectives::broadcast_error};
inline const TestedCollective kReduceScatter{"reduce_scatter",
                                             Dtype::f32,
                                             collectives::reduce_scatter_buffers,
                                             collectives::reduce_scatter_work,
                                             collectives::reduce_scatter_fill,
                                             collectives::reduce_scatter_local,
                                             collectives::reduce_scatter_error};
inline const TestedCollective kSendRecv{"send_recv",
                                        Dtype::bf16,
                                        collectives::send_recv_buffers,
                                        collectives::send_recv_work,
                                        collectives::send_recv_fill,
                                        collectives::send_recv_local,
                                        collectives::send_recv_error};
}  // namespace tested

}  // namespace moecal::testing
