// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_gather/all_gather.hpp"
#include "collectives/collective_bench.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_all_gather() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "all_gather",
      .dtypes = {Dtype::bf16},  // bytes travel as they are: one payload stands for all
      .full_dtypes = {Dtype::fp8_e4m3, Dtype::f16, Dtype::f32},
      // Sequence-parallel activations and sharded parameters of the planning documents.
      .planner_bytes = {33'554'432, 134'217'728, 268'435'456, 536'870'912, 1'000'000'000,
                        22'548'578'304, 45'097'156'608},
      .buffers = all_gather_buffers,
      .work = all_gather_work,
      .fill = all_gather_fill,
      .error = all_gather_error};
  if constexpr (build::has_mpi)
    operation.mpi = {
        {"ompi", all_gather_check_mpi, all_gather_mpi},
        {"ompi_in_place", all_gather_check_mpi, all_gather_mpi, InPlace::own_block, Suite::full}};
  if constexpr (build::has_nccl)
    operation.nccl = {
        {.name = "nccl", .run = all_gather_nccl, .logged = "AllGather"},
        {"nccl_in_place", all_gather_nccl, InPlace::own_block, Suite::full, nullptr, "AllGather"}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
