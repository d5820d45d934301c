// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/environment.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::bench {

/// In what `own` differs from `first` that would make their ranks run something else: card, driver,
/// libraries, and the settings of communication libraries, of which those that name a process's own
/// file, device or host may differ. "driver 550.54 (rank 0: 570.12)"; empty if in nothing.
[[nodiscard]] std::string differences(const Environment& own, const Environment& first);

/// A record describes rank 0's environment. What other ranks have else is added to it, as the
/// setting "ranks_differ", on every rank, and rank 0 says it on stderr. Collective.
/// @throws InvalidInput on every rank if a rank has another card.
void compare_ranks(ControlPlane& world, Environment& environment);

}  // namespace moecal::bench
