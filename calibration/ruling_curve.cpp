// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/ruling_curve.hpp"

#include <algorithm>
#include <map>

#include "calibration/exchange_skew.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// What one routing's draws at a point came to.
struct Draws {
  std::vector<double> bytes, seconds, skews;
};
using Routed = std::map<Point, Draws>;

double median_skew(const Routed& routed) {
  std::vector<double> skews;
  for (const auto& [point, draws] : routed) skews.push_back(median(draws.skews));
  return median(skews);
}

bool says_more(const Routed& a, const Routed& b) {
  return a.size() != b.size() ? a.size() > b.size() : median_skew(a) < median_skew(b);
}

}  // namespace

std::vector<std::pair<double, double>> ruling_curve(const Series& series, const Model& model) {
  std::map<RoutingConditions, Routed> by_routing;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto& [inputs, seconds] = series.points[i];
    auto& draws = by_routing[series.calls[i].routing][series.calls[i].point];
    draws.bytes.push_back(ruling_bytes(model, inputs));
    draws.seconds.push_back(seconds);
    draws.skews.push_back(inputs.skew);
  }
  const auto best = std::ranges::min_element(
      by_routing, says_more, [](const auto& each) -> const Routed& { return each.second; });
  std::map<double, std::vector<double>> seconds_of;  // points of other numbers may be as large
  for (const auto& [point, draws] : best->second) {
    auto& seconds = seconds_of[median(draws.bytes)];
    seconds.insert(seconds.end(), draws.seconds.begin(), draws.seconds.end());
  }
  std::vector<std::pair<double, double>> curve;
  for (auto& [bytes, seconds] : seconds_of) curve.emplace_back(bytes, median(seconds));
  return curve;
}

}  // namespace moecal::calibration
