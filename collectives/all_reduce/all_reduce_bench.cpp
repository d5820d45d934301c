// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/collective_bench.hpp"
#include "core/build.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_all_reduce() {
  using namespace collectives;
  CollectiveOperation operation{
      .name = "all_reduce",
      .dtypes = {Dtype::f32, Dtype::bf16, Dtype::f16},
      .full_dtypes = {Dtype::fp8_e4m3},
      // TP activations, gradient buckets and whole gradients of the planning documents.
      .planner_bytes = {33'554'432, 67'108'864, 134'217'728, 268'435'456, 468'750'000,
                        1'000'000'000, 1'875'000'000, 3'211'272'192, 13'000'000'000, 22'548'578'304,
                        25'000'000'000, 45'097'156'608},
      .in_blocks = false,
      .adds = true,
      .buffers = all_reduce_buffers,
      .work = all_reduce_work,
      .fill = all_reduce_fill,
      .error = [](const CollectiveShape& shape, int, std::span<const std::byte> receive) {
        return all_reduce_error(shape, receive);
      }};
  if constexpr (build::has_mpi)
    operation.mpi = {
        {"ompi", all_reduce_check_mpi, all_reduce_mpi},
        {"ompi_in_place", all_reduce_check_mpi, all_reduce_mpi, InPlace::own_block, Suite::full}};
  if constexpr (build::has_nccl)
    operation.nccl = {
        {.name = "nccl", .run = all_reduce_nccl, .logged = "AllReduce"},
        {"nccl_in_place", all_reduce_nccl, InPlace::own_block, Suite::full, nullptr, "AllReduce"}};
  return make_collective_benchmark(std::move(operation));
}

}  // namespace moecal::bench
