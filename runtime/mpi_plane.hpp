// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "runtime/control_plane.hpp"

namespace moecal {

/// The ranks of an mpirun or srun --mpi launch. Initialises MPI, and finalises it when destroyed;
/// one such plane exists at a time. native() is a pointer to the plane's MPI_Comm.
[[nodiscard]] std::unique_ptr<ControlPlane> make_mpi_plane(std::chrono::milliseconds timeout);

/// The release of the MPI library that runs, e.g. "Open MPI v4.1.4"; not that of its header.
[[nodiscard]] std::string mpi_library_version();

}  // namespace moecal
