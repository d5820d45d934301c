// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "bench/machine.hpp"

namespace moecal::bench {

/// The device this rank measures: `choice` is auto (a CUDA device if there is one), cpu or cuda.
/// Rank i of a host gets CUDA device i, which becomes the current one.
/// @throws InvalidInput if cuda is asked for and there is none, or fewer than ranks.
[[nodiscard]] Machine choose_machine(const std::string& choice, const ControlPlane& world);
/// The clock that an implementation's work is timed with.
[[nodiscard]] std::unique_ptr<Clock> make_clock(const Implementation& implementation);

}  // namespace moecal::bench
