// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/printed_widths.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "calibration/form.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/prediction_draft.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/switches.hpp"

namespace moecal::calibration {
namespace {

/// Where a curve's intervals are asked: between its rows they are wider than at them. A form with
/// switches smooths over those, and nothing else of it depends on where in a regime one asks.
std::vector<double> sizes_of(const Model& model) {
  std::vector<double> sizes;
  for (std::size_t i = 0; i < model.table.size(); ++i) {
    sizes.push_back(model.table[i].first);
    if (i > 0) sizes.push_back(std::sqrt(model.table[i - 1].first * model.table[i].first));
  }
  if (model.table.empty() && !model.conditions.any_routing)
    for (const auto& bracket : model.switches)
      sizes.push_back(std::sqrt(bracket.bytes.first * bracket.bytes.second));
  return sizes;
}

/// As a prediction at that size has it, runs apart; 0 where nothing was calibrated.
double half_width_at(const Model& model, const IntervalScale& scale, double size) {
  const auto* regime = regime_of(model.residual_quantiles, size);
  if (regime == nullptr || regime->count == 0) return 0;
  const double half_width = regime->half_width_90 * scale.at(size);
  const auto doubt = switch_doubt(model, size);
  return doubt ? std::max(half_width, half_width_around(*doubt, evaluate(model, {.size = size})))
               : half_width;
}

}  // namespace

std::optional<std::pair<double, double>> half_width_range(const Model& model) {
  std::vector<double> all;
  if (model.table.empty())
    for (const auto& regime : model.residual_quantiles)
      if (regime.count > 0) all.push_back(regime.half_width_90);
  const IntervalScale scale{model};
  for (const double size : sizes_of(model))
    if (const double half_width = half_width_at(model, scale, size); half_width > 0)
      all.push_back(half_width);
  if (all.empty()) return std::nullopt;
  const double doubt = run_doubt(model.quality.variance);
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  return std::pair{std::hypot(*least, doubt), std::hypot(*most, doubt)};
}

}  // namespace moecal::calibration
