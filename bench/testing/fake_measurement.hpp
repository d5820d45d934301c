// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "bench/sampler.hpp"
#include "bench/testing/fake_trial.hpp"

namespace moecal::bench {

/// Samples a fake device alone.
struct FakeMeasurement {
  explicit FakeMeasurement(const FakeDevice& device, int sets = 1)
      : trial{time, device}, rotation{sets} {}
  Sampling run(SamplerOptions options = {}, const DeviceWatch& watch = {}) {
    const auto world = make_single_rank_plane();
    FakeClock clock{time};
    options.wall = [this] { return time.now_s; };
    return Sampler{clock, *world, options, watch}.run(trial, rotation);
  }
  FakeTime time;
  FakeTrial trial;
  SetRotation rotation;
};

}  // namespace moecal::bench
