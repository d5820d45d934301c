// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_gather/all_gather.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void all_gather_check_mpi(const CollectiveShape& shape) {
  static_cast<void>(mpi_count(all_gather_buffers(shape).send));
}

void all_gather_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group) {
  const int block = mpi_count(all_gather_buffers(shape).send);
  const void* send = tensors.in_place ? MPI_IN_PLACE : tensors.send;
  check_mpi(MPI_Allgather(send, block, MPI_BYTE, tensors.receive, block, MPI_BYTE,
                          mpi_communicator(group)),
            "MPI_Allgather of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
