// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>

#include "core/units.hpp"

namespace moecal::bench {

/// When a point has samples enough: the median is known to the wanted half-width, or the time or
/// the count is used up. A pure function of samples, so ranks that see the same samples agree.
struct StopRule {
  double relative_half_width = 0.01;
  double confidence = 0.95;
  int min_samples = 9;     // before the half-width is believed
  int fewest_samples = 3;  // even if the time is used up
  int max_samples = 1000;
  Seconds budget{0.5};  // of sampled time

  [[nodiscard]] bool done(std::span<const double> samples, Seconds spent) const;
  /// After how many more samples done() may be true, if each takes about so long; at least 1.
  [[nodiscard]] int samples_until_done(int samples, Seconds spent, Seconds each) const;
  /// As it stands in Policy::stop_rule.
  [[nodiscard]] std::string str() const;
};

/// Of sampled time, for each point of a suite; a file of cases is a planner's.
[[nodiscard]] Seconds default_budget(const std::string& suite);

}  // namespace moecal::bench
