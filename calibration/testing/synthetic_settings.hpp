// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

/// Observations of one machine set to one thing or another.
namespace moecal::calibration::synthetic {

inline Environment set_to(const Settings& settings) {
  auto set = environment();
  set.settings = settings;
  return set;
}

inline void move_to(std::vector<Observation>& all, const Environment& environment) {
  for (auto& o : all) {
    o.environment_id = environment.id();
    o.backend = "cuda";
  }
}

/// All-reduces over 4 ranks, `times` as long as 10 us and 10 GB/s.
inline ObservationFile all_reduces(const Settings& settings, double times, int sizes = 16,
                                   int group = 4) {
  const auto environment = set_to(settings);
  auto all = curve("all_reduce", group, sizes,
                   [&](double bytes) { return times * (1e-5 + bytes / 1e10); }, {});
  move_to(all, environment);
  return {{environment}, all};
}

/// GEMMs of a card under a power limit.
inline ObservationFile gemms(const Settings& settings, double rate) {
  const auto environment = set_to(settings);
  std::vector<Observation> all;
  for (int m = 64; m <= 16384; m *= 4)
    for (int n = 512; n <= 8192; n *= 4)
      all.push_back(observation("expert_gemm", {{"m", m}, {"n", n}, {"k", 1024}},
                                1e-6 + 2.0 * m * n * 1024 / rate));
  move_to(all, environment);
  return {{environment}, all};
}

inline Query gemm() {
  Query query;
  query.operation = "expert_gemm";
  query.point = {{"m", 4096}, {"n", 2048}, {"k", 1024}};
  return query;
}

inline Query all_reduce(std::int64_t bytes) {
  Query query;
  query.operation = "all_reduce";
  query.group = 4;
  query.point = {{"bytes", bytes}};
  return query;
}

inline Coefficients fitted(const std::vector<ObservationFile>& files) {
  return fit(files, {}).coefficients;
}

}  // namespace moecal::calibration::synthetic
