// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/collective_bench.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_reduce_scatter() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "reduce_scatter",
      .dtypes = {Dtype::f32, Dtype::bf16},
      .full_dtypes = {Dtype::f16, Dtype::fp8_e4m3},
      // Sequence-parallel activations and sharded gradients of the planning documents.
      .planner_bytes = {33'554'432, 134'217'728, 268'435'456, 1'000'000'000, 22'548'578'304,
                        45'097'156'608},
      .adds = true,
      .buffers = reduce_scatter_buffers,
      .work = reduce_scatter_work,
      .fill = reduce_scatter_fill,
      .error = reduce_scatter_error};
  if constexpr (build::has_mpi)
    operation.mpi = {{"ompi", reduce_scatter_check_mpi, reduce_scatter_mpi},
                     {"ompi_in_place", reduce_scatter_check_mpi, reduce_scatter_mpi,
                      InPlace::first_block, Suite::full}};
  if constexpr (build::has_nccl)
    operation.nccl = {{.name = "nccl", .run = reduce_scatter_nccl, .logged = "ReduceScatter"},
                      {"nccl_in_place", reduce_scatter_nccl, InPlace::own_block, Suite::full,
                       nullptr, "ReduceScatter"}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
