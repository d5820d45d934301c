// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/collective_bench.hpp"
#include "collectives/send_recv/send_recv.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_send_recv() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "send_recv",
      .dtypes = {Dtype::bf16},  // bytes travel as they are: one payload stands for all
      .full_dtypes = {Dtype::fp8_e4m3, Dtype::f16, Dtype::f32},
      // Pipeline boundaries of the planning documents; every power of two where libraries switch
      // from sending at once (eager) to asking first (rendezvous).
      .planner_bytes = {2'048, 8'192, 32'768, 131'072, 524'288, 4'194'304, 16'777'216, 33'554'432,
                        134'217'728},
      .in_blocks = false,
      .buffers = send_recv_buffers,
      .work = send_recv_work,
      .fill = send_recv_fill,
      .error = send_recv_error};
  if constexpr (build::has_mpi) operation.mpi = {{"ompi", send_recv_check_mpi, send_recv_mpi}};
  if constexpr (build::has_nccl) operation.nccl = {{"nccl", send_recv_nccl}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
