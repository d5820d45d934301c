// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace moecal {

/// How tokens choose experts. The same specification always gives the same draw.
struct RoutingSpec {
  std::string distribution = "uniform";  // uniform | balanced | power_law |
                                         // power_law_loads | recorded
  std::uint64_t seed = 1;
  // power_law: expert e has weight (e+1)^-exponent, experts shuffled. power_law_loads: an expert's
  // weight is drawn from the density x^-exponent between 1 and 0.8 x tokens, as in the tables
  // of aiconfigurator.
  double exponent = 1.2;
  double capacity_factor = 0.0;  // rows an expert takes at most, over the mean; 0: no limit
  // recorded: an expert's weight, in the order of experts; what was counted in a model, from
  // read_expert_loads(). Empty otherwise.
  std::vector<double> loads{};
  bool operator==(const RoutingSpec&) const = default;
};

/// One draw of token -> experts: permute, grouped GEMM and all-to-all-v take their counts from it.
struct RoutingDraw {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::vector<std::int32_t>
      expert_of;                 // [tokens, top_k], row-major; the top_k experts of a token differ
  std::vector<float> weight_of;  // [tokens, top_k]; the weights of a token sum to 1
  std::vector<std::int64_t> counts;  // [experts] rows an expert is given, before any capacity limit
  std::vector<std::int64_t> offsets;  // [experts + 1] exclusive prefix sum of counts
};

struct RoutingShape {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
};

/// A weight of power_law_loads: the quantile of a density x^-exponent between the shape's limits.
/// @param share of the density below the weight: 0..1
[[nodiscard]] double power_law_load(const RoutingShape& shape, double exponent, double share);

/// Sets counts and offsets by what its expert_of holds.
void count_choices(RoutingDraw& draw);

/// @throws InvalidInput if top_k > experts, a size is negative or the distribution is unknown.
void check_routing(const RoutingShape& shape, const RoutingSpec& spec);

/// @throws InvalidInput as check_routing().
[[nodiscard]] RoutingDraw draw_routing(const RoutingShape& shape, const RoutingSpec& spec);

/// Rows an expert takes at most: capacity_factor x mean, rounded up; 0 (no limit) for a factor of
/// 0.
[[nodiscard]] std::int64_t expert_capacity(const RoutingShape& shape, double capacity_factor);

/// Where each choice goes when rows are sorted by expert and, within an expert, by token:
/// [tokens, top_k]; -1 where the expert has taken `capacity` rows already (0: no limit).
[[nodiscard]] std::vector<std::int32_t> place_rows(const RoutingDraw& draw, std::int64_t capacity);

}  // namespace moecal
