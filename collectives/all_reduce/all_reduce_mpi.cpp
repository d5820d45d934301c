// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_reduce/all_reduce.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void all_reduce_check_mpi(const CollectiveShape& shape) {
  if (shape.dtype != Dtype::f32)
    throw Unsupported{"MPI has no sum of " + std::string{to_string(shape.dtype)} +
                      ": its all-reduce is measured in f32"};
  static_cast<void>(mpi_count(shape.elements()));
}

void all_reduce_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group) {
  all_reduce_check_mpi(shape);
  const void* send = tensors.in_place ? MPI_IN_PLACE : tensors.send;
  check_mpi(MPI_Allreduce(send, tensors.receive, mpi_count(shape.elements()), MPI_FLOAT, MPI_SUM,
                          mpi_communicator(group)),
            "MPI_Allreduce of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
