// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "runtime/control_plane.hpp"

namespace moecal::bench {

/// Runs `phase` on every rank and, if it threw on any, throws on all of them what the lowest such
/// rank reported: Error before InvalidInput before Unsupported. So a rank that cannot go on does
/// not leave the others waiting. Collective over `world`.
void on_every_rank(ControlPlane& world, const std::function<void()>& phase);

/// Runs a `phase` in which ranks may wait for one another, so that there is nobody to agree with
/// when one of them fails: what it throws is printed and ends the launch. Alone, it is thrown on.
void or_end_launch(ControlPlane& world, const std::function<void()>& phase);

}  // namespace moecal::bench
