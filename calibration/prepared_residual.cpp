// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_residual.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "calibration/residual.hpp"

namespace moecal::calibration {

PreparedGate::PreparedGate(const ResidualGate& gate) : gate_{gate} {
  if (gate.centres.empty()) return;
  centres_ = (gate.centres.size() + kTogether - 1) / kTogether * kTogether;
  for (std::size_t c = 0; c < gate.centres.front().size(); ++c)
    for (std::size_t i = 0; i < centres_; ++i)
      values_.push_back(gate.centres[std::min(i, gate.centres.size() - 1)][c]);
}

/// Distances of kTogether centres at once, without a branch among them; which of them is within
/// reach does not matter.
double PreparedGate::weight(std::span<const double> place) const {
  using Together = Eigen::Array<double, kTogether, 1>;
  Together nearest = Together::Constant(std::numeric_limits<double>::infinity());
  for (std::size_t first = 0; first < centres_; first += kTogether) {
    Together most = Together::Zero();
    for (std::size_t c = 0; c < place.size(); ++c) {
      const Eigen::Map<const Together> centres{values_.data() + c * centres_ + first};
      most = most.max((centres - place[c]).abs());
    }
    nearest = nearest.min(most);
    if (nearest.minCoeff() <= gate_.reach) return 1;
  }
  return weight_at_distance(gate_, nearest.minCoeff());
}

void PreparedGate::weights(const FeatureColumns& coordinates, std::span<double> out) const {
  const std::size_t count = centres_ == 0 ? 0 : values_.size() / centres_;
  std::vector<double> place(count);
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t c = 0; c < count; ++c) place[c] = coordinates[c][i];
    out[i] = weight(place);
  }
}

PreparedCorrection::PreparedCorrection(std::unique_ptr<PreparedForm> compact,
                                       const Residual& residual)
    : compact_{std::move(compact)},
      residual_{residual},
      features_{feature_set(residual.features)},
      gate_{residual.gate},
      basis_{residual.basis, residual.gate.centres} {}

void PreparedCorrection::seconds(std::span<const Inputs> calls, std::span<double> seconds) const {
  std::vector<double> weights(calls.size());
  seconds_and_weights(calls, seconds, weights);
}

void PreparedCorrection::seconds_and_weights(std::span<const Inputs> calls,
                                             std::span<double> seconds,
                                             std::span<double> weights) const {
  compact_->seconds(calls, seconds);
  const auto logs = corrections(calls, seconds.first(calls.size()), weights);
  for (std::size_t i = 0; i < calls.size(); ++i) seconds[i] *= std::exp(logs[i] * weights[i]);
}

/// Unweighted, and the weights. A radial basis asks about the coordinates alone.
std::vector<double> PreparedCorrection::corrections(std::span<const Inputs> calls,
                                                    std::span<const double> compact_seconds,
                                                    std::span<double> weights) const {
  if (residual_.kind == kRadialBasis) {
    const auto columns = coordinate_columns(features_, calls);
    gate_.weights(columns, weights);
    std::vector<double> logs(calls.size());
    basis_.values(columns, logs);
    return logs;
  }
  const auto columns =
      feature_columns(features_, residual_.multiprocessors, calls, compact_seconds);
  gate_.weights(columns, weights);
  return evaluate(residual_.trees, columns);
}

}  // namespace moecal::calibration
