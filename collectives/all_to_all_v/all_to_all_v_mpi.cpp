// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "runtime/check_mpi.hpp"

namespace moecal::collectives {
namespace {

/// The blocks of one rank's buffer as MPI takes them.
struct Counts {
  explicit Counts(const std::vector<RoutedExchange::Block>& blocks) {
    for (const auto& block : blocks) {
      bytes.push_back(static_cast<int>(block.bytes));
      at.push_back(static_cast<int>(block.at));
    }
  }
  std::vector<int> bytes;
  std::vector<int> at;
};

}  // namespace

void all_to_all_v_check_mpi(const CollectiveShape& shape) {
  const CollectiveBuffers buffers = all_to_all_v_buffers(shape);
  static_cast<void>(mpi_count(buffers.send));
  static_cast<void>(mpi_count(buffers.receive));
}

void all_to_all_v_mpi(const CollectiveShape& shape, const CollectiveTensors& tensors,
                      ControlPlane& group) {
  const Counts sends{shape.exchange->sends[group.rank()]};
  const Counts receives{shape.exchange->receives[group.rank()]};
  check_mpi(
      MPI_Alltoallv(tensors.send, sends.bytes.data(), sends.at.data(), MPI_BYTE, tensors.receive,
                    receives.bytes.data(), receives.at.data(), MPI_BYTE, mpi_communicator(group)),
      "MPI_Alltoallv of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
