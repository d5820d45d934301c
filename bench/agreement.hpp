// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "core/units.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::bench {

/// Runs a `phase` in which ranks may wait for one another, so that there is nobody to agree with
/// when one of them fails: what it throws is printed and ends the launch. Alone, it is thrown on.
void or_end_launch(ControlPlane& world, const std::function<void()>& phase);

/// How long the ranks take to hear of one another: the median of a few barriers on the slowest
/// rank; 0 of a single rank. Collective over `world`.
[[nodiscard]] Seconds agreement_time(ControlPlane& world);

}  // namespace moecal::bench
