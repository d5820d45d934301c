// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// The rates a roofline is written against. Nominal ones come from the card's spec sheet; where it
/// is unknown (a CPU) the best observed ones stand in, and the parameters' names say so.
struct ReferenceRates {
  double flops = 0;   // FLOP/s
  double memory = 0;  // B/s
  bool nominal = false;
  double multiprocessors = 0;  // of the card; 0: unknown
};

/// The highest rates any of the points reached.
[[nodiscard]] ReferenceRates best_observed_rates(std::span<const FitPoint> points);

/// P and W of a model, whichever names they carry.
[[nodiscard]] ReferenceRates reference_rates(const Model& model);
[[nodiscard]] std::vector<Parameter> rate_parameters(const ReferenceRates& rates);
/// Their specifications, for the forms that have them.
[[nodiscard]] std::vector<ParameterSpec> rate_specs();

/// Launch, then whichever of arithmetic and memory is slower, each at a fraction of its rate:
///   t = t0 + max(F / P e1, B / W e2)
///   t0  s  launch and everything that does not grow
///   e1  1  inverse of the share of P that is reached; e2 the same of W
///   nominal_flops, nominal_bandwidth (or best_observed_flops, best_observed_bandwidth): P, W
/// The plainest form, and the one that transfers best to another card.
[[nodiscard]] Form roofline_form();

/// @throws InvalidInput with fewer than 3 points.
[[nodiscard]] Model fit_roofline(std::span<const FitPoint> points, const ReferenceRates& rates);

/// At most `most` of the points, spread evenly over them: more rows do not sharpen ten parameters.
[[nodiscard]] std::vector<FitPoint> thin(std::span<const FitPoint> points, std::size_t most);

}  // namespace moecal::calibration
