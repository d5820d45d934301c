// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/reduce_scatter/reduce_scatter.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void reduce_scatter_check_mpi(const CollectiveShape& shape) {
  if (shape.dtype != Dtype::f32)
    throw Unsupported{"MPI has no sum of " + std::string{to_string(shape.dtype)} +
                      ": its reduce-scatter is measured in f32"};
  static_cast<void>(mpi_count(reduce_scatter_buffers(shape).receive / size_of(shape.dtype)));
}

void reduce_scatter_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                        ControlPlane& group) {
  reduce_scatter_check_mpi(shape);
  const int count = mpi_count(reduce_scatter_buffers(shape).receive / size_of(shape.dtype));
  const void* send = tensors.in_place ? MPI_IN_PLACE : tensors.send;
  check_mpi(MPI_Reduce_scatter_block(send, tensors.receive, count, MPI_FLOAT, MPI_SUM,
                                     mpi_communicator(group)),
            "MPI_Reduce_scatter_block of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
