// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <mpi.h>

#include <climits>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "runtime/control_plane.hpp"

/// For .cpp backend files only: MPI's header comes with it.
namespace moecal {

/// @throws Error saying what was attempted and what MPI said.
inline void check_mpi(int code, const std::string& attempted) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error{attempted + " failed: MPI said " +
              std::string(text, static_cast<std::size_t>(length))};
}

/// @throws Unsupported if MPI's int cannot count that many.
[[nodiscard]] inline int mpi_count(std::int64_t elements) {
  if (elements > INT_MAX)
    throw Unsupported{std::to_string(elements) + " elements in one call are more than MPI's " +
                      "interface counts (" + std::to_string(INT_MAX) + ")"};
  return static_cast<int>(elements);
}

/// @throws Unsupported if the launch was not made by MPI.
[[nodiscard]] inline MPI_Comm mpi_communicator(ControlPlane& plane) {
  if (plane.native() == nullptr)
    throw Unsupported{"MPI collectives need a launch by MPI: start the program with mpirun"};
  return *static_cast<MPI_Comm*>(plane.native());
}

}  // namespace moecal
