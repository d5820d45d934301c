// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "calibration/form.hpp"
#include "calibration/residual_features.hpp"

namespace moecal::calibration {

/// A residual's gate for many places: its centres by coordinate, several at a time.
class PreparedGate {
 public:
  explicit PreparedGate(const ResidualGate& gate);
  /// How much the residual counts at each place, exactly as residual_weight() has it.
  void weights(const FeatureColumns& coordinates, std::span<double> out) const;

 private:
  static constexpr std::size_t kTogether = 16;
  [[nodiscard]] double weight(std::span<const double> place) const;

  const ResidualGate& gate_;
  std::size_t centres_ = 0;     // a multiple of kTogether: the last stands there several times
  std::vector<double> values_;  // one coordinate of all centres after the other
};

/// A compact form with a residual on top. The residual must outlive it.
class PreparedCorrection final : public PreparedForm {
 public:
  PreparedCorrection(std::unique_ptr<PreparedForm> compact, const Residual& residual);
  void seconds(std::span<const Inputs> calls, std::span<double> seconds) const override;
  /// The same, with how much the residual counts in each call.
  void seconds_and_weights(std::span<const Inputs> calls, std::span<double> seconds,
                           std::span<double> weights) const;

 private:
  [[nodiscard]] std::vector<double> corrections(std::span<const Inputs> calls,
                                                std::span<const double> compact_seconds,
                                                std::span<double> weights) const;

  std::unique_ptr<PreparedForm> compact_;
  const Residual& residual_;
  const FeatureSet& features_;
  PreparedGate gate_;
  PreparedBasis basis_;
};

}  // namespace moecal::calibration
