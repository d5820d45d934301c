// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "core/units.hpp"

namespace moecal::bench {

/// What sampling took so far, as all ranks know it.
struct TimeSpent {
  Seconds sampled{0};
  Seconds wall{0};    // what the host did between samples included
  bool over = false;  // the time limit of the run
};

/// When a point has samples enough: the median is known to the wanted half-width, or the time or
/// the count is used up. A pure function of samples, so ranks that see the same samples agree.
struct StopRule {
  double relative_half_width = 0.01;
  double confidence = 0.95;
  int min_samples = 9;     // before the half-width is believed
  int fewest_samples = 3;  // even if the time is used up
  int max_samples = 1000;
  Seconds budget{0.5};  // of sampled time
  /// By the wall, which counts what the host does between samples too.
  [[nodiscard]] Seconds longest_wall() const;

  /// Why there are samples enough, as SampleInfo::stopped_by says it; empty: there are not.
  [[nodiscard]] std::string_view reason(std::span<const double> samples,
                                        const TimeSpent& spent) const;
  /// After how many more samples there may be a reason(), if each takes about so long; at least 1.
  [[nodiscard]] int samples_until_done(int samples, Seconds spent, Seconds each) const;
  /// As it stands in Policy::stop_rule.
  [[nodiscard]] std::string str() const;
};

/// Of sampled time, for each point of a suite; a file of cases is a planner's.
[[nodiscard]] Seconds default_budget(const std::string& suite);

/// Of a device, for each batch of a suite: recording the events around it takes 1 to 2 us, which is
/// then under a percent. Quick has no time for that: its short points bear 1 to 2 %.
[[nodiscard]] Seconds shortest_device_batch(const std::string& suite);

}  // namespace moecal::bench
