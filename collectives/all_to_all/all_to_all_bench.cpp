// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/collective_bench.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_all_to_all() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "all_to_all",
      .dtypes = {Dtype::bf16},  // bytes travel as they are: one payload stands for all
      .full_dtypes = {Dtype::fp8_e4m3, Dtype::f16, Dtype::f32},
      // Tokens x top-k x hidden of the planning documents.
      .planner_bytes = {65'536, 1'048'576, 2'097'152, 4'194'304, 8'388'608, 16'777'216, 33'554'432,
                        67'108'864, 134'217'728, 268'435'456, 335'544'320},
      .buffers = all_to_all_buffers,
      .work = all_to_all_work,
      .fill = all_to_all_fill,
      .error = all_to_all_error};
  if constexpr (build::has_mpi) operation.mpi = {{"ompi", all_to_all_check_mpi, all_to_all_mpi}};
  if constexpr (build::has_nccl)
    operation.nccl = {{"nccl", all_to_all_nccl, InPlace::no, Suite::quick, all_to_all_check_nccl},
                      {"nccl_send_recv", all_to_all_nccl_send_recv}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
