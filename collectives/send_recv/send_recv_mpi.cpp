// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/send_recv/send_recv.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {

void send_recv_check_mpi(const CollectiveShape& shape) {
  static_cast<void>(mpi_count(send_recv_buffers(shape).send));
}

void send_recv_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                   ControlPlane& group) {
  const int bytes = mpi_count(send_recv_buffers(shape).send);
  const int next = (group.rank() + 1) % shape.group;
  const int before = (group.rank() + shape.group - 1) % shape.group;
  constexpr int kTag = 0;
  check_mpi(MPI_Sendrecv(tensors.send, bytes, MPI_BYTE, next, kTag, tensors.receive, bytes,
                         MPI_BYTE, before, kTag, mpi_communicator(group), MPI_STATUS_IGNORE),
            "MPI_Sendrecv of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
