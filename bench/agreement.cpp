// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/agreement.hpp"

#include <chrono>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::bench {

Seconds agreement_time(ControlPlane& world) {
  if (world.size() == 1) return Seconds{0};
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) {
    const auto start = std::chrono::steady_clock::now();
    world.barrier();
    times.push_back(Seconds{std::chrono::steady_clock::now() - start}.count());
  }
  return Seconds{world.max(median(times))};
}

void or_end_launch(ControlPlane& world, const std::function<void()>& phase) {
  try {
    phase();
  } catch (const RankLost&) {
    throw;
  } catch (const std::exception& error) {
    if (world.size() == 1) throw;
    world.abort(1, std::string{"failed while all ranks measure: "} + error.what());
  }
}

}  // namespace moecal::bench
