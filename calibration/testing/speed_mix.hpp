// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "calibration/testing/synthetic.hpp"
#include "core/hash.hpp"

/// What the speed of fits is measured on: as many made-up observations as are asked for.
namespace moecal::calibration::synthetic {

inline constexpr int kRuns = 5;  // of every point

/// Shares of the observations: a tenth on collectives, four fifths on GEMMs, a tenth on kernels
/// bound by memory. A curve has 21 sizes; of GEMMs there are at most 8 series; a memory-bound
/// series has 100 points. Times follow known laws, those of half the GEMM series with a ripple that
/// needs a residual, disturbed by 3 %, one in twenty by a spike.
class Mix {
 public:
  explicit Mix(std::size_t count) : points_{std::max<std::size_t>(count / kRuns, 40)} {}

  /// With their digests, as a file is read.
  std::vector<Observation> observations() {
    const std::size_t curve_points = points_ / 10, memory_points = points_ / 10;
    for (std::size_t i = 0; i < curve_points; ++i) add_collective(i);
    for (std::size_t i = 0; i < memory_points; ++i) add_permute(i);
    for (std::size_t i = 0; i + curve_points + memory_points < points_; ++i) add_gemm(i);
    for (auto& o : all_) o.digest = sha256(to_json_line(o)).substr(0, 12);
    return std::move(all_);
  }

 private:
  void add(Observation o, double seconds) {
    for (int run = 0; run < kRuns; ++run) {
      o.run_id = "run-" + std::to_string(run);
      o.samples_s = {disturb_(seconds), disturb_(seconds), disturb_(seconds)};
      all_.push_back(o);
    }
  }

  void add_collective(std::size_t i) {
    static const std::array<std::string, 4> kNames{"all_reduce", "all_to_all", "all_gather",
                                                   "reduce_scatter"};
    const std::size_t curve = i / 21, size = i % 21;
    const std::int64_t bytes = std::int64_t{512} << size;
    const auto s = static_cast<double>(bytes);
    auto o = observation(kNames[curve % 4], {{"bytes", bytes}}, 1);
    o.ranks.group = o.ranks.world = 2 << (curve / 4 % 3);
    o.dtypes = {curve / 12 % 2 == 0 ? "f16" : "int8", "", "", "", "none", ""};
    o.library.runtime_version = "2." + std::to_string(curve / 24);
    add(o, 8e-6 * o.ranks.group + std::min(s, 65536.0) / 5e9 + std::max(s - 65536, 0.0) / 100e9);
  }

  void add_permute(std::size_t i) {
    const auto tokens = static_cast<std::int64_t>(16 * (1 + i % 100));
    auto o = observation("permute",
                         {{"tokens", tokens}, {"hidden", 4096}, {"experts", 64}, {"top_k", 4}}, 1);
    o.implementation = "own-" + std::to_string(i / 100);
    add(o, 3e-6 + static_cast<double>(tokens) * 4096 * 4 * 5 / 2e12);
  }

  void add_gemm(std::size_t i) {
    static const std::array<Dtypes, 4> kDtypes{
        {{"bf16", "bf16", "bf16", "f32", "none", ""},
         {"f16", "f16", "f16", "f32", "none", ""},
         {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""},
         {"f32", "f32", "f32", "f32", "none", ""}}};
    const std::size_t shape = i / 8;
    const auto m = static_cast<std::int64_t>(1) << (shape % 15);
    const auto n = static_cast<std::int64_t>(512 * (1 + shape / 15 % 24));
    const auto k = static_cast<std::int64_t>(512 * (1 + shape / 360));
    auto o = observation("expert_gemm", {{"m", m}, {"n", n}, {"k", k}}, 1);
    o.dtypes = kDtypes[i % 4];
    o.implementation = i % 8 < 4 ? "one" : "other";
    const double rows = static_cast<double>(m), flops = 2 * rows * static_cast<double>(n * k);
    const double bytes = 2 * (rows * static_cast<double>(k + n) + static_cast<double>(n * k));
    // Half of the series have what no compact form follows: they take a residual.
    const double ripple = i % 8 < 4 ? 1 + 0.1 * std::sin(static_cast<double>(n) / 700) : 1;
    add(o, ripple * (3e-6 + std::hypot(flops / 1e15 * (1 + 80 / rows), bytes / 3e12)));
  }

  std::size_t points_;
  Disturbance disturb_{{.spread = 0.03, .spike_share = 0.05, .seed = 1}};
  std::vector<Observation> all_;
};

}  // namespace moecal::calibration::synthetic
