// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/fork_plane.hpp"
#include "runtime/mpi_plane.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal {
namespace {

/// Set by mpirun of Open MPI, by anything that speaks PMIx (srun --mpi=pmix), by MPICH's mpiexec.
bool launched_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

int ranks_to_fork() {
  const char* text = std::getenv("MOECAL_RANKS");
  if (text == nullptr) return 0;
  const std::string_view digits{text};
  int ranks = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), ranks);
  if (problem != std::errc{} || end != digits.data() + digits.size() || ranks < 1)
    throw InvalidInput{"MOECAL_RANKS is \"" + std::string{digits} + "\", not a number of ranks"};
  return ranks;
}

}  // namespace

std::unique_ptr<ControlPlane> make_control_plane(int&, char**&) {
  const auto timeout = timeout_from_environment();
  if constexpr (build::has_mpi)
    if (launched_by_mpi()) return make_mpi_plane(timeout);
  if (const int ranks = ranks_to_fork(); ranks > 1) {
    Forked forked = fork_ranks(ranks, timeout);
    if (!forked.plane) std::exit(forked.status);
    return std::move(forked.plane);
  }
  if (const auto place = rendezvous_from_environment(); place && place->size > 1)
    return make_tcp_plane(*place);
  return make_single_rank_plane();
}

}  // namespace moecal
