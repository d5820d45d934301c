// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>

#include "runtime/star_plane.hpp"

namespace moecal {

/// The ranks of one launch, met at a known address: rank 0 listens there.
[[nodiscard]] std::unique_ptr<ControlPlane> make_tcp_plane(const Rendezvous& place);

/// What the environment says about this process's launch: RANK, WORLD_SIZE, MASTER_ADDR and
/// MASTER_PORT (torchrun; the port after it where torchrun's agent listens on it itself, as
/// TORCHELASTIC_USE_AGENT_STORE says), else SLURM_PROCID, SLURM_STEP_NUM_TASKS or SLURM_NTASKS, the
/// first node of SLURM_STEP_NODELIST and a port made from SLURM_JOB_ID (srun). MOECAL_PORT goes
/// before either port. Nothing if neither is set.
/// @throws InvalidInput naming the variable that is missing or no number; in a batch script of
/// several tasks, which is none of them.
[[nodiscard]] std::optional<Rendezvous> rendezvous_from_environment();

/// $MOECAL_TIMEOUT_S, else 120 s: how long a rank waits for the others in one control-plane call.
[[nodiscard]] std::chrono::milliseconds timeout_from_environment();

/// The first host of a Slurm node list: "gpu[03-05,9]-ib,cpu1" -> "gpu03-ib".
[[nodiscard]] std::string first_host(const std::string& node_list);

}  // namespace moecal
