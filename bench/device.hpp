// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
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
/// Asks NVML whether power or heat holds the device back right now. Empty on a CPU, and where NVML
/// is missing or does not say. `library` is for tests.
[[nodiscard]] std::function<bool()> make_throttle_watch(
    const Machine& machine, const std::string& library = "libnvidia-ml.so.1");
/// The clock that an implementation's work is timed with.
[[nodiscard]] std::unique_ptr<Clock> make_clock(const Implementation& implementation);

}  // namespace moecal::bench
