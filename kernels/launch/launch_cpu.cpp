// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/launch/launch.hpp"

namespace moecal::kernels {

Work launch_work(const LaunchShape&) { return {}; }

std::int64_t launch_cpu(const LaunchShape& shape) {
  std::int64_t ran = 0;
  for (std::int64_t i = 0; i < shape.launches; ++i) std::thread{[&ran] { ++ran; }}.join();
  return ran;
}

Seconds smallest_step(std::vector<Seconds> readings) {
  constexpr Seconds kSame{1e-9};  // CUDA rounds readings to a float
  Seconds least{std::numeric_limits<double>::infinity()};
  std::ranges::sort(readings);
  for (std::size_t i = 1; i < readings.size(); ++i)
    if (const Seconds step = readings[i] - readings[i - 1]; step > kSame)
      least = std::min(least, step);
  return least;
}

}  // namespace moecal::kernels
