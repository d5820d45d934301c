// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/testing/fake_point.hpp"
#include "tests/thread_plane.hpp"

namespace moecal::bench {

/// What ranks measure of one point, each on a clock of its own.
struct FakeWorld {
  using Prepare = std::function<void(ControlPlane&, FakePoint&)>;
  using MakeTrial = std::function<std::unique_ptr<Trial>(ControlPlane&, FakePoint&)>;
  std::string operation = "fake";
  Prepare prepare = [](ControlPlane&, FakePoint&) {};
  Work work{};

  template <int kRanks>
  std::array<Observation, kRanks> measure(const MakeTrial& make) const {
    std::array<Observation, kRanks> observations;
    testing::agreeing_ranks(kRanks, [&](ControlPlane& world) {
      FakePoint point;
      prepare(world, point);
      FakeBenchmark benchmark{[&] { return make(world, point); }};
      benchmark.operation_ = operation;
      observations[static_cast<std::size_t>(world.rank())] =
          PointMeasurer{world, point.setup}.measure(
              {&benchmark, {"fake", "mpi"}, {}, CachePolicy::warm, work});
    });
    return observations;
  }
};

/// Of each rank, what it spends in a call.
inline FakeWorld::MakeTrial spending(std::vector<double> seconds) {
  return [seconds](ControlPlane& world, FakePoint& point) {
    return std::make_unique<FakeTrial>(
        point.time, FakeDevice{.median_s = seconds[static_cast<std::size_t>(world.rank())]});
  };
}

}  // namespace moecal::bench
