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
/// In expectation over draws. Of a point that only says its bytes: every rank has them.
/// @throws InvalidInput as busiest_rank_loads (expert_loads.hpp), or for a point without experts.
[[nodiscard]] ExchangeLoad expected_load(const RoutedCall& call);

/// The same call with this load.
[[nodiscard]] Inputs with_load(Inputs inputs, const ExchangeLoad& load);

/// What the half-width of log time has to grow by where the skew is none that was measured: beyond
/// them the busiest rank may rule wholly, or have no say. 0 between those measured.
[[nodiscard]] double skew_doubt(const Model& model, const Inputs& inputs);

}  // namespace moecal::calibration
