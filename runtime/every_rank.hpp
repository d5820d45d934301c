// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "runtime/control_plane.hpp"

namespace moecal {

/// Runs `phase` on every rank and, if it threw on any, throws on all of them what the lowest such
/// rank reported: Error before InvalidInput before Unsupported. So a rank that cannot go on does
/// not leave the others waiting. Collective over `world`.
void on_every_rank(ControlPlane& world, const std::function<void()>& phase);

}  // namespace moecal
