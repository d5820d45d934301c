// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "bench/machine.hpp"
#include "bench/options.hpp"
#include "bench/planned_point.hpp"

namespace moecal::bench {

using Benchmarks = std::vector<std::unique_ptr<Benchmark>>;

/// Every point that the options ask for on this machine, in the catalog's order.
/// @throws InvalidInput for a suite file that is wrong, an implementation no operation has, and,
/// with the reason, if there is no point at all.
[[nodiscard]] std::vector<PlannedPoint> make_plan(const Benchmarks& benchmarks,
                                                  const Options& options, const Machine& machine,
                                                  int world);
/// The same points in the order that the seed stands for, on every rank and machine: random, but of
/// every 2^n points on end each 2^n-th part of the catalog's order has one (about one,
/// where its size is no power of two). So a slow drift of the
/// machine does not look like an effect of the size, and a run that is cut has points everywhere.
/// Before all others come the points that ratios are of (Benchmark::leads), in that order too.
[[nodiscard]] std::vector<PlannedPoint> spread_out(std::vector<PlannedPoint> plan,
                                                   std::uint64_t seed);
/// What --list prints, as JSON: operations, implementations, what the points of a suite take
/// (nothing of a file of cases), and `cuda_devices`; they are counted if it is empty, and where
/// there are none it says why. No other suite is looked at: `moecal measure` asks every program
/// before it starts the first, and to know what a routed product moves a routing is drawn.
[[nodiscard]] std::string list_as_json(const std::string& program, const Benchmarks& benchmarks,
                                       const std::string& suite,
                                       std::optional<int> cuda_devices = {});

}  // namespace moecal::bench
