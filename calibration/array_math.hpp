// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

namespace moecal::calibration {

/// Numbers with their natural logarithms, worked out once for all that need them.
struct WithLogarithms {
  std::span<const double> values, logs;
};

/// Natural logarithms and exponentials of many numbers, several at once, within 1e-15 of
/// themselves. `values` and `out` have one length, and may be the same numbers. Below -708 and
/// above 709 exponentials are as of these.
void logarithms(std::span<const double> values, std::span<double> out);
void exponentials(std::span<const double> values, std::span<double> out);

}  // namespace moecal::calibration
