// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/expert_loads.hpp"
#include "calibration/form.hpp"
#include "core/exchanged_bytes.hpp"

namespace moecal::calibration {

/// What one draw gave the ranks.
[[nodiscard]] ExchangeLoad load_of(const ExchangedBytes& exchanged);

/// An exchange over so many ranks, of rows that a routing gives to experts.
struct RoutedCall {
  const Point& point;  // tokens of one rank, hidden, experts, top_k
  const Dtypes& dtypes;
  int ranks = 1;
  const RoutingSpec& routing;
};
/// In expectation over draws, and how far one draw is from another: standard deviations of the
/// logarithms.
struct ExpectedLoad {
  ExchangeLoad load;
  double mean_spread = 0, skew_spread = 0;
};
/// Of a point that only says its bytes: every rank has them.
/// @throws InvalidInput as busiest_rank_loads (expert_loads.hpp), or for a point without experts.
[[nodiscard]] ExpectedLoad expected_load(const RoutedCall& call);

/// The same call with this load.
[[nodiscard]] Inputs with_load(Inputs inputs, const ExchangeLoad& load);

/// Bytes that rule the call by the model's skew_exponent; of a model without one its size.
[[nodiscard]] double ruling_bytes(const Model& model, const Inputs& inputs);

/// Half-width of log time that nine of ten draws of the routing lie within: a fit's own errors are
/// at the loads that were recorded, and do not hold it.
[[nodiscard]] double draw_doubt(const Model& model, const Inputs& inputs,
                                const ExpectedLoad& expected);

/// What the half-width of log time has to grow by where the skew is none that was measured: beyond
/// them the busiest rank may rule wholly, or have no say. 0 between those measured.
[[nodiscard]] double skew_doubt(const Model& model, const Inputs& inputs);

}  // namespace moecal::calibration
