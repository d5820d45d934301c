// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// What a fit that had not seen a point said about it.
struct HeldOut {
  double size = 0;        // the size variable
  double log_ratio = 0;   // log(predicted / measured)
  std::size_t point = 0;  // its index among those of the fit
};

/// Of an error of log time: one spike must not decide.
inline constexpr double kSpikeCap = 0.5;
/// The mean of errors, each at most kSpikeCap; 0 without any.
[[nodiscard]] double mean_capped_error(std::span<const HeldOut> errors);

using FitFunction = std::function<Model(std::span<const FitPoint>)>;

/// Fold of each point; kAlwaysTrained is never held out.
inline constexpr int kAlwaysTrained = -1;

/// Folds of a curve's sizes.
inline constexpr int kSizeFolds = 5;
/// Interior sizes of a curve in turn: fold i % folds; the ends stay, since nothing is interpolated
/// past them. Points of equal size share a fold.
[[nodiscard]] std::vector<int> folds_by_size(std::span<const FitPoint> points, int folds);

/// Each interior size its own fold; of more than 64 sizes every 64th together.
[[nodiscard]] std::vector<int> folds_one_out(std::span<const FitPoint> points);

/// Whole shape pairs (n, k) together, in at most `folds` folds; by point where there are fewer than
/// 3 pairs.
[[nodiscard]] std::vector<int> folds_by_pair(std::span<const FitPoint> points, int folds);

/// Whole configurations of experts together: all numbers of a call but its rows, and not its
/// routing.
[[nodiscard]] std::vector<int> folds_by_configuration(std::span<const MeasuredCall> calls,
                                                      int folds);

/// Each routing its own fold. Empty where there is only one.
[[nodiscard]] std::vector<int> folds_by_routing(std::span<const MeasuredCall> calls);

/// Each model its own fold: calls of MoE layers that have the model_numbers() in common. Empty
/// where there are fewer than two models, or calls that are of none.
[[nodiscard]] std::vector<int> folds_by_layer_model(std::span<const MeasuredCall> calls);

/// Fits without some folds and predicts them, by fold. Empty where that fit is impossible.
[[nodiscard]] std::map<int, std::vector<HeldOut>> predict_without(std::span<const FitPoint> points,
                                                                  std::span<const int> fold_of,
                                                                  const std::set<int>& unseen,
                                                                  const FitFunction& fit);

/// Whether the errors of the folds so far say that the others need not be asked.
using IsHopeless = std::function<bool(std::span<const HeldOut> errors)>;

/// Fits without each fold in turn and predicts it. A fold whose fit is impossible is left out; with
/// `is_hopeless`, those after the fold at which it says so are too.
[[nodiscard]] std::vector<HeldOut> cross_validate(std::span<const FitPoint> points,
                                                  std::span<const int> fold_of,
                                                  const FitFunction& fit,
                                                  const IsHopeless& is_hopeless = {});

/// The finite-sample split-conformal 90 % half-width: the ceil(0.9 (n + 1))-th smallest of n
/// errors. With n < 9 no order statistic reaches 90 %: the largest, widened by (10 / (n + 1)).
/// Without errors: kUnknownHalfWidth.
[[nodiscard]] double conformal_half_width(std::vector<double> absolute_errors);

/// Half-width of log time where nothing was held out: a factor of 2 either way.
inline constexpr double kUnknownHalfWidth = 0.6931471805599453;

/// The least half-width, of log time. No clock and no printed table says more: a time of 5 us with
/// two decimals of a microsecond is known to a thousandth.
inline constexpr double kResolution = 0.001;

/// Held-out points a 90 % quantile needs.
inline constexpr int kConformalPoints = 9;

/// One quantile per size regime; `limits` are the inner limits of the regimes, ascending.
[[nodiscard]] std::vector<ResidualQuantile> conformal_quantiles(std::span<const HeldOut> held_out,
                                                                std::span<const double> limits);

/// The regimes' limits: 64 KiB and 4 MiB, or for GEMMs rows 64 and 512.
[[nodiscard]] std::vector<double> regime_limits(Family family);

}  // namespace moecal::calibration
