// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "calibration/exchange_skew.hpp"
#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

/// Exchanges by a routing over 8 ranks, whose cost follows bytes that are known.
namespace moecal::calibration::synthetic {

inline constexpr int kRanks = 8;
inline constexpr std::int64_t kHidden = 1024, kExperts = 64, kTopK = 2;

inline Point point_of(std::int64_t tokens) {
  return {{"tokens", tokens}, {"hidden", kHidden}, {"experts", kExperts}, {"top_k", kTopK}};
}

/// As a program records it: tokens of rank r are the r-th share of the draw.
inline ExchangedBytes draw_bytes(std::int64_t tokens, const RoutingSpec& spec) {
  const auto draw = draw_routing({kRanks * tokens, kExperts, kTopK}, spec);
  ExchangedBytes exchanged{std::vector<std::int64_t>(kRanks), std::vector<std::int64_t>(kRanks)};
  const auto choices = static_cast<std::size_t>(tokens * kTopK);
  for (std::size_t i = 0; i < draw.expert_of.size(); ++i) {
    exchanged.sent[i / choices] += kHidden * 4;
    exchanged.received[static_cast<std::size_t>(draw.expert_of[i]) / (kExperts / kRanks)] +=
        kHidden * 4;
  }
  return exchanged;
}

/// 20 us, and 5 GB/s.
inline double latency_and_bandwidth(double bytes) { return 20e-6 + bytes / 5e9; }

/// Of what rules.
inline double seconds_of(const ExchangeLoad& load, double exponent) {
  return latency_and_bandwidth(load.mean_bytes * std::pow(load.skew, exponent));
}

struct Law {
  double exponent = 1;
  Noise noise{.spread = 0.02};
  bool records_bytes = true;
  SecondsOfBytes seconds = latency_and_bandwidth;  // of what rules
};

inline Observation exchange(std::int64_t tokens, const RoutingSpec& spec, double seconds) {
  auto o = observation("all_to_all_v", point_of(tokens), seconds);
  o.ranks.group = o.ranks.world = kRanks;
  o.routed = true;
  o.routing = spec;
  return o;
}

inline std::vector<Observation> exchanges(const std::vector<RoutingSpec>& routings,
                                          const Law& law) {
  Disturbance disturb{law.noise};
  std::vector<Observation> all;
  for (const auto& spec : routings)
    for (const std::int64_t tokens : {16, 64, 256, 1024, 4096}) {
      const auto exchanged = draw_bytes(tokens, spec);
      const auto load = load_of(exchanged);
      const double ruling = load.mean_bytes * std::pow(load.skew, law.exponent);
      all.push_back(exchange(tokens, spec, disturb(law.seconds(ruling))));
      if (law.records_bytes) all.back().exchanged = exchanged;
    }
  return all;
}

inline const std::vector<RoutingSpec> kMeasured{{.distribution = "balanced"},
                                                {.distribution = "uniform"},
                                                {.distribution = "power_law", .exponent = 0.4},
                                                {.distribution = "power_law", .exponent = 0.8},
                                                {.distribution = "power_law", .exponent = 1.6}};

inline FitResult fit_all(std::vector<Observation> observations) {
  const std::vector<ObservationFile> files{file(std::move(observations))};
  return fit(files, {});
}

inline const Model& only_model(const FitResult& result) {
  EXPECT_EQ(result.coefficients.models.size(), 1U);
  return result.coefficients.models.front();
}

inline Query query_of(std::int64_t tokens) {
  Query query{.operation = "all_to_all_v"};
  query.point = point_of(tokens);
  query.group = kRanks;
  return query;
}

}  // namespace moecal::calibration::synthetic
