// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "bench/point_measurer.hpp"
#include "bench/testing/fake_benchmark.hpp"

namespace moecal::bench {

/// Measures one point of a fake operation with a fake clock.
struct FakePoint {
  FakePoint() {
    setup.machine.memory = Bytes{1e9};
    setup.machine.last_level_cache = Bytes{10e3};
    setup.make_clock = [this](const Implementation&) { return std::make_unique<FakeClock>(time); };
    setup.host_time = {[] { return 0.0; }, [](double) {}, "fake"};
  }
  Observation measure(FakeBenchmark::MakeTrial make) {
    const FakeBenchmark benchmark{std::move(make)};
    const auto world = make_single_rank_plane();
    return PointMeasurer{*world, setup}.measure({&benchmark, {"fake", "cpu"}, {}, cache});
  }
  // The same with a trial that `change` was done to.
  Observation measure_changed(const std::function<void(FakeTrial&)>& change) {
    return measure([&] {
      auto trial = std::make_unique<FakeTrial>(time, FakeDevice{});
      change(*trial);
      return trial;
    });
  }
  FakeTime time;
  PointMeasurer::Setup setup;
  CachePolicy cache = CachePolicy::warm;
};

}  // namespace moecal::bench
