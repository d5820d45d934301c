// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/broadcast/broadcast.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void broadcast_check_mpi(const CollectiveShape& shape) {
  static_cast<void>(mpi_count(broadcast_buffers(shape).send));
}

void broadcast_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                   ControlPlane& group) {
  const int bytes = mpi_count(broadcast_buffers(shape).send);
  check_mpi(MPI_Bcast(tensors.receive, bytes, MPI_BYTE, 0, mpi_communicator(group)),
            "MPI_Bcast of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
