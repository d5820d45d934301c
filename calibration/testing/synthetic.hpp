// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/observation.hpp"

/// Observations of machines whose cost is known: what the tests of the fits are given.
namespace moecal::calibration::synthetic {

struct Noise {
  double spread = 0;        // standard deviation of log time
  double spike_share = 0;   // of the points
  double spike_factor = 3;  // of their time
  unsigned seed = 1;
};

inline Environment environment() { return {"cpu-test", "cpu-test", "test", "", "", {}, {}}; }

inline Observation observation(const std::string& operation, const Point& point, double seconds) {
  Observation o;
  o.run_id = "synthetic";
  o.operation = operation;
  o.implementation = "own";
  o.backend = "cpu";
  o.dtypes = {"f32", "f32", "f32", "f32", "none", ""};
  o.point = point;
  o.samples_s = {seconds};
  o.library.runtime_version = "1.0";
  o.environment_id = environment().id();
  return o;
}

/// Multiplies times by noise and, now and then, by a spike.
class Disturbance {
 public:
  explicit Disturbance(const Noise& noise) : noise_{noise}, engine_{noise.seed} {}
  double operator()(double seconds) {
    std::normal_distribution<double> normal{0, 1};
    std::uniform_real_distribution<double> uniform{0, 1};
    const double disturbed = seconds * std::exp(noise_.spread * normal(engine_));
    return uniform(engine_) < noise_.spike_share ? disturbed * noise_.spike_factor : disturbed;
  }

 private:
  Noise noise_;
  std::mt19937 engine_;
};

using SecondsOfBytes = std::function<double(double)>;

/// A collective over `group` ranks, sizes doubling from 512 B, `sizes` of them.
inline std::vector<Observation> curve(const std::string& operation, int group, int sizes,
                                      const SecondsOfBytes& seconds, const Noise& noise) {
  Disturbance disturb{noise};
  std::vector<Observation> observations;
  for (int i = 0; i < sizes; ++i) {
    const std::int64_t bytes = std::int64_t{512} << i;
    auto o =
        observation(operation, {{"bytes", bytes}}, disturb(seconds(static_cast<double>(bytes))));
    o.ranks.group = o.ranks.world = group;
    observations.push_back(std::move(o));
  }
  return observations;
}

inline ObservationFile file(std::vector<Observation> observations) {
  return {{environment()}, std::move(observations)};
}

}  // namespace moecal::calibration::synthetic
