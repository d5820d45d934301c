// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "calibration/predict.hpp"

namespace moecal::calibration::synthetic {

/// latency + bytes / rate, measured from 1 KiB to 1 MiB.
inline Model line_model(const std::string& id, const Conditions& conditions, double latency) {
  Model m;
  m.id = id;
  m.operation = "all_reduce";
  m.card = "x";
  m.system = "x-8";
  m.conditions = conditions;
  m.form = "segmented_latency_bandwidth";
  m.parameters = {{"latency", latency, "s", 0},
                  {"inverse_bandwidth_1", 1e-10, "s/B", 0},
                  {"last_rate_spread", 0.01, "1", 0}};
  m.residual_quantiles = {{0, 0, 0.1, 50}};
  m.validity = {{"bytes", {1024, 1048576}}};
  return m;
}

inline Conditions over(int group, const std::string& dtype = "f16",
                       const std::string& release = "2.9") {
  return {.dtype = dtype, .group = group, .implementation = "nccl", .release = release};
}

inline Query ask(int group, std::int64_t bytes, const std::string& dtype = "") {
  return {.operation = "all_reduce", .dtype = dtype, .point = {{"bytes", bytes}}, .group = group};
}

/// t = || 1e-5 (n - 1), bytes / 1e10 ||_1 for groups that have no model of their own.
inline Model joint_model() {
  auto m = line_model("joint", over(kAnyGroup), 1e-12);
  m.form = "group_scaling";
  m.parameters = {{"latency", 0, "s", 0},
                  {"latency_per_rank", 1e-5, "s", 0},
                  {"inverse_bandwidth_intra", 1e-10, "s/B", 0},
                  {"sharpness", 1, "1", 0}};
  m.residual_quantiles = {{0, 0, 0.2, 50}};
  m.between_quantiles = {{0, 0, 0.15, 50}};
  return m;
}

}  // namespace moecal::calibration::synthetic
