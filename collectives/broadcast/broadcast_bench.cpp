// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/broadcast/broadcast.hpp"
#include "collectives/collective_bench.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_broadcast() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "broadcast",
      .dtypes = {Dtype::bf16},  // bytes travel as they are: one payload stands for all
      .full_dtypes = {Dtype::fp8_e4m3, Dtype::f16, Dtype::f32},
      // Expert parameters and activations of the planning documents.
      .planner_bytes = {2'097'152, 67'108'864, 134'217'728},
      .in_blocks = false,
      .buffers = broadcast_buffers,
      .work = broadcast_work,
      .fill = broadcast_fill,
      .error = broadcast_error};
  // MPI_Bcast knows one buffer.
  if constexpr (build::has_mpi)
    operation.mpi = {{"ompi", broadcast_check_mpi, broadcast_mpi, InPlace::own_block}};
  if constexpr (build::has_nccl)
    operation.nccl = {
        {.name = "nccl", .run = broadcast_nccl, .logged = "Broadcast"},
        {"nccl_in_place", broadcast_nccl, InPlace::own_block, Suite::full, nullptr, "Broadcast"}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
