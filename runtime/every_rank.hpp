// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "runtime/control_plane.hpp"

namespace moecal {

/// Runs `phase` on every rank and, if it threw on any, throws on all of them what those ranks
/// reported: Error before InvalidInput before Unsupported. So a rank that cannot go on does not
/// leave the others waiting. Reasons that differ in their numbers alone are told once, by the
/// lowest rank: "rank 0: ...; rank 3: ..."; what all ranks say alike, without a rank. Collective
/// over `world`.
void on_every_rank(ControlPlane& world, const std::function<void()>& phase);

}  // namespace moecal
