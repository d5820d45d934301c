// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/conformal.hpp"
#include "calibration/roofline.hpp"
#include "calibration/series.hpp"

namespace moecal::calibration {

/// A form fitted to a series, with what fits that did not see a point said about it.
struct Candidate {
  Model model;  // form, parameters, knots and table only
  std::vector<HeldOut> held_out;
  /// The same as an interval should see them; empty: as they are. Without a point a table's gap is
  /// wider than any a prediction will fall into, and so is its error.
  std::vector<HeldOut> calibration;
  /// Of MoE layers: errors at models that the fit did not see, of any layers else none.
  std::vector<HeldOut> unseen_models{};
  /// Fits the same form to other points of the series; remembers what it fitted before. Only of
  /// GEMMs, grouped or not.
  FitFunction fit_form{};
};

/// The compact form of a series: of its family's forms the one with the least held-out error. The
/// errors that are kept never had a say in the form that made them (calibration/nested_choice.hpp):
/// those of with_residual() did.
/// @throws InvalidInput if the series has too few points for any.
[[nodiscard]] Candidate fit_compact(const Series& series, const ReferenceRates& nominal);

/// The same form with what it leaves over learnt from the series' points, if it is of GEMMs,
/// grouped or not, and has enough of them, and left-out points say that it predicts better, those
/// of left-out models not worse; else `compact` as it is. `compact` is what fit_compact gave. Its
/// form was chosen on all folds, and the errors that decide whether the residual is kept are those
/// that then calibrate the interval: points that are left out have a say in both.
[[nodiscard]] Candidate with_residual(const Series& series, const ReferenceRates& nominal,
                                      Candidate compact);

/// Of fewer points a table is hardly more than its ends.
inline constexpr std::size_t kTablePoints = 4;
[[nodiscard]] bool is_worth_a_table(const Series& series);

/// The series' points as a table. @throws InvalidInput if it is not worth one.
[[nodiscard]] Candidate fit_table(const Series& series);

/// How far the rates of the last three sizes lie apart: max/min - 1; unknown_spread with fewer. Of
/// any routing the sizes are those that rule by the model (calibration/ruling_curve.hpp).
[[nodiscard]] double last_rate_spread(const Series& series, const Model& model);
inline constexpr double kUnknownSpread = 1;

}  // namespace moecal::calibration
