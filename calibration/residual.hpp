// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/boosted_trees.hpp"
#include "calibration/form.hpp"
#include "calibration/residual_features.hpp"

namespace moecal::calibration {

/// Points a residual wants at least; with fewer it would learn noise.
inline constexpr std::size_t kResidualPoints = 100;
/// Past this many points trees stand in for a radial basis, which solves a system of that size.
inline constexpr std::size_t kTreePoints = 800;
/// From this many on, trees are many and deep. Fewer points gain little by that, and their fits
/// would take three times as long.
inline constexpr std::size_t kManyTreesPoints = 5000;

/// What a residual is learnt with: chosen once per series, the same in every fold.
struct ResidualPlan {
  std::string kind;      // see Residual::kind
  std::string features;  // a name of residual_features.hpp
  double multiprocessors = 0;
  RadialBasis basis;           // lengths and noise, where kind is radial_basis
  BoostingOptions boosting{};  // where it is symmetric_trees
};

/// `compact` is fitted to the points and has no residual; `features` names what the residual may
/// ask about. @throws InvalidInput with fewer than kResidualPoints points.
[[nodiscard]] ResidualPlan plan_residual(std::span<const FitPoint> points, const Model& compact,
                                         double multiprocessors,
                                         const std::string& features = kGemmFeatures);

/// What the compact model leaves over at these points.
[[nodiscard]] Residual fit_residual(std::span<const FitPoint> points, const Model& compact,
                                    const ResidualPlan& plan);

/// How much of a residual counts here: 1 within reach of the points it learnt from, 0 far off,
/// where the compact form answers alone.
[[nodiscard]] double residual_weight(const Residual& residual, const Inputs& inputs);

/// The same of a place so far from the nearest of those points.
[[nodiscard]] double weight_at_distance(const ResidualGate& gate, double octaves);

/// What is added to the compact form's log seconds, weight included. One value a call.
[[nodiscard]] std::vector<double> log_corrections(const Residual& residual,
                                                  std::span<const Inputs> calls,
                                                  std::span<const double> compact_seconds);

}  // namespace moecal::calibration
