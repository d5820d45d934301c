// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "core/routing.hpp"

namespace moecal::calibration {

/// What the rank with the most rows is given, in expectation over draws of the routing. A row is a
/// (token, expert) pair that the routing's capacity does not drop.
struct RankLoads {
  double rows = 0;
  double active = 0;                     // experts with at least one row
  double padded_16 = 0, padded_128 = 0;  // rows, each expert's rounded up to such a multiple
  double fullest = 0;                    // rows of the expert that has most
  double mean = 0;                       // rows of a rank on average over all of them
  // From draw to draw, standard deviations of logarithms: of rows over the mean, and of the mean.
  double skew_spread = 0, mean_spread = 0;
};

/// Of so many experts with as many rows each.
[[nodiscard]] RankLoads equal_loads(double experts, double rows);

/// So many draws are enough for an expectation.
inline constexpr int kFewDraws = 8;

/// Experts are spread over `ranks` ranks in equal, contiguous parts. The same arguments give the
/// same result: drawn distributions average `draws` fixed ones.
/// @throws InvalidInput if ranks does not divide the experts, there are more than 65536 of them, or
/// as draw_routing.
[[nodiscard]] RankLoads busiest_rank_loads(const RoutingShape& shape, std::int64_t ranks,
                                           const RoutingSpec& routing, int draws = kFewDraws);

/// The same, each different question worked out once. Of one thread.
class KnownLoads {
 public:
  [[nodiscard]] const RankLoads& of(const RoutingShape& shape, std::int64_t ranks,
                                    const RoutingSpec& routing);

 private:
  /// Tokens, experts, top_k and ranks; distribution, exponent, capacity factor and loads.
  using Question = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::string,
                              double, double, std::vector<double>>;
  std::map<Question, RankLoads> known_;
};

}  // namespace moecal::calibration
