// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/cache_policy.hpp"
#include "bench/machine.hpp"

namespace moecal::bench {

/// One line of a run's plan: a case of an operation on one implementation under one cache policy.
struct PlannedPoint {
  const Benchmark* benchmark = nullptr;
  Implementation implementation;
  Case c;
  CachePolicy cache = CachePolicy::warm;
  Work work{};  // by that implementation: a routing is drawn to know some

  /// The name Google Benchmark knows it by, e.g. expert_gemm/onednn/k:1024/m:256/n:1024/f32/warm.
  [[nodiscard]] std::string name() const;
};

/// Whether ranks take part together: timed as the slowest rank's back-to-back calls.
[[nodiscard]] bool runs_over_ranks(const Implementation& implementation);
/// Whether ranks that start a call of it together also leave it together (core/collective.hpp).
[[nodiscard]] bool is_in_step(const Benchmark& benchmark);
/// Whether no rank can run ahead of the others, whatever is launched: a call of one collective in
/// step, in groups that do not run beside others, whose ranks' clocks stand still while they wait
/// for one another (a device's runs on).
[[nodiscard]] bool stays_in_step(const PlannedPoint& point);
/// Whether it runs on a CUDA device.
[[nodiscard]] bool is_cuda(const Implementation& implementation);
/// What is measured by it on this machine: the machine's device, or its host beside that.
[[nodiscard]] Machine measured_by(const Implementation& implementation, const Machine& machine);

}  // namespace moecal::bench
