// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/single_calls.hpp"

#include <array>

#include "bench/agreement.hpp"

namespace moecal::bench {
namespace {

constexpr double kTakesNoPart = -1e30;

}  // namespace

SingleCalls time_single_calls(Trial& trial, Clock& own, ControlPlane& world, int count) {
  SingleCalls result;
  for (int i = 0; i < count; ++i) {
    world.barrier();
    std::array<double, 2> times{kTakesNoPart, kTakesNoPart};  // max, and max of the negative
    if (trial.takes_part()) {
      or_end_launch(world,
                    [&] { times[0] = own.time([&] { trial.launch(0, own.stream()); }).count(); });
      times[1] = -times[0];
    }
    const double mine = times[0];
    world.max(times);
    const double transfer = -times[1];
    result.transfer_s.push_back(transfer);
    result.skew_s.push_back(times[0] - transfer);
    result.late_rank.push_back(
        static_cast<int>(world.max(mine == transfer ? static_cast<double>(world.rank()) : -1.0)));
  }
  return result;
}

}  // namespace moecal::bench
