// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/predict.hpp"

/// Whether a model can answer a query, a condition at a time.
namespace moecal::calibration {

/// What is not asked for any model has.
[[nodiscard]] inline bool accepts(const std::string& asked, const std::string& have) {
  return asked.empty() || asked == have;
}

/// A kernel belongs to its card; a collective to the whole system.
[[nodiscard]] bool accepts_machine(const Model& model, const Query& query);
/// Others than the one asked for may stand in for it (dtype_distance.hpp).
[[nodiscard]] bool accepts_dtype(const Model& model, const Query& query);
[[nodiscard]] bool accepts_scale_mode(const Model& model, const Query& query);
[[nodiscard]] bool accepts_nodes(const Model& model, const Query& query);
[[nodiscard]] bool accepts_routing(const Model& model, const Query& query);
[[nodiscard]] bool accepts_settings(const Model& model, const Query& query);

/// "power_law 1.2 limited to 1.5", for messages.
[[nodiscard]] std::string routing_text(const RoutingConditions& routing);
/// "none" where the operation has no scales.
[[nodiscard]] std::string scale_mode_of(const Conditions& conditions);

}  // namespace moecal::calibration
