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
using namespace collectives;

inline const TestedCollective kAllGather{"all_gather",    Dtype::bf16,     all_gather_buffers,
                                         all_gather_work, all_gather_fill, all_gather_local,
                                         all_gather_error};
inline const TestedCollective kAllReduce{"all_reduce",       Dtype::f32,      all_reduce_buffers,
                                         all_reduce_work,    all_reduce_fill, all_reduce_local,
                                         all_reduce_error_of};
inline const TestedCollective kAllToAll{"all_to_all",    Dtype::bf16,     all_to_all_buffers,
                                        all_to_all_work, all_to_all_fill, all_to_all_local,
                                        all_to_all_error};
inline const TestedCollective kBroadcast{"broadcast",    Dtype::bf16,    broadcast_buffers,
                                         broadcast_work, broadcast_fill, broadcast_local,
                                         broadcast_error};
inline const TestedCollective kReduceScatter{
    "reduce_scatter",    Dtype::f32,           reduce_scatter_buffers, reduce_scatter_work,
    reduce_scatter_fill, reduce_scatter_local, reduce_scatter_error};
inline const TestedCollective kSendRecv{"send_recv",    Dtype::bf16,    send_recv_buffers,
                                        send_recv_work, send_recv_fill, send_recv_local,
                                        send_recv_error};
}  // namespace tested

}  // namespace moecal::testing
