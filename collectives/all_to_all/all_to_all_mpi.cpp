// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all/all_to_all.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void all_to_all_check_mpi(const CollectiveShape& shape) {
  static_cast<void>(mpi_count(all_to_all_block_bytes(shape)));
}

void all_to_all_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    ControlPlane& group) {
  const int block = mpi_count(all_to_all_block_bytes(shape));
  check_mpi(MPI_Alltoall(tensors.send, block, MPI_BYTE, tensors.receive, block, MPI_BYTE,
                         mpi_communicator(group)),
            "MPI_Alltoall of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
