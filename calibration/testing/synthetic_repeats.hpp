// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <random>
#include <vector>

#include "calibration/repeatability.hpp"
#include "calibration/testing/synthetic.hpp"

/// Runs whose variances are known.
namespace moecal::calibration::synthetic {

/// `points` points of `runs` runs; run r of a point has `samples` + r % 2 samples.
inline std::vector<Observation> repeats(int points, int runs, int samples, double between,
                                        double within) {
  std::mt19937 engine{11};
  std::normal_distribution<double> normal;
  std::vector<Observation> all;
  for (int p = 0; p < points; ++p)
    for (int run = 0; run < runs; ++run) {
      const double centre = 1e-5 * (p + 1) * std::exp(between * normal(engine));
      auto o = observation("memory_copy", {{"bytes", 1024 + p}}, 1);
      o.run_id = "run-" + std::to_string(run);
      o.samples_s.clear();
      for (int i = 0; i < samples + run % 2; ++i)
        o.samples_s.push_back(centre * std::exp(within * normal(engine)));
      all.push_back(o);
    }
  return all;
}

inline Repeats repeats_of(const std::vector<Observation>& observations) {
  Repeats gathered;
  for (const auto& o : observations) gathered[o.point].push_back(&o);
  return gathered;
}

}  // namespace moecal::calibration::synthetic
