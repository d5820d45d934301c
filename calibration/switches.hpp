// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// A library changed its protocol somewhere between two neighbouring sizes of a table: from one to
/// the next the time grows by clearly more than the size does, or falls. No latency and bandwidth
/// do that.
struct Switch {
  double below = 0, above = 0;  // the sampled sizes, bytes
  /// Their geometric middle, whole bytes.
  [[nodiscard]] double middle() const;
  /// The size to measure to halve the doubt: near the middle, and of five leading bits, so that it
  /// divides among ranks into whole elements.
  [[nodiscard]] std::int64_t size_to_measure() const;
};

/// The switches of a table, ascending.
[[nodiscard]] std::vector<Switch> switches_of(const std::vector<std::pair<double, double>>& table);
/// The same with what switch_doubt() needs of the rows beside them.
[[nodiscard]] std::vector<SwitchBracket> brackets_of(
    const std::vector<std::pair<double, double>>& table);
/// Of a model's table, or where it keeps none those that its fit left.
[[nodiscard]] std::vector<Switch> switches_in(const Model& model);

/// What a size inside a switch may cost: the protocol of the smaller size if it lasts that long,
/// that of the larger one if it begins that early. Each goes on in proportion to the curve beyond
/// it.
struct SwitchDoubt {
  Switch at;
  double lower_protocol = 0, upper_protocol = 0;  // seconds
};

/// Half-width of log time around a prediction that covers both.
[[nodiscard]] double half_width_around(const SwitchDoubt& doubt, double seconds);

/// Nothing for sizes that are sampled or in no switch, and for a model that knows of none.
[[nodiscard]] std::optional<SwitchDoubt> switch_doubt(const Model& model, double size);

}  // namespace moecal::calibration
