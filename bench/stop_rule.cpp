// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/stop_rule.hpp"

#include <sstream>

#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

// The interval is looked at after 9, 12, 16, 22, ... samples only: a rule that looks after every
// sample stops at the first lucky streak, and its interval covers the truth too rarely.
bool is_checkpoint(int count, int first) {
  int checkpoint = first;
  while (checkpoint < count) checkpoint += (checkpoint + 2) / 3;
  return checkpoint == count;
}

}  // namespace

Seconds default_budget(const std::string& suite) {
  if (suite == "quick") return Seconds{0.1};
  return Seconds{suite == "full" ? 1.0 : 0.2};
}

bool StopRule::done(std::span<const double> samples, Seconds spent) const {
  const int count = static_cast<int>(samples.size());
  if (count >= max_samples) return true;
  if (count >= fewest_samples && spent >= budget) return true;
  return count >= min_samples && is_checkpoint(count, min_samples) &&
         relative_median_half_width(samples, confidence) <= relative_half_width;
}

std::string StopRule::str() const {
  std::ostringstream text;
  text << "median half-width <= " << 100 * relative_half_width << " % at " << 100 * confidence
       << " % with " << min_samples << " to " << max_samples << " samples, or " << budget.count()
       << " s";
  return text.str();
}

}  // namespace moecal::bench
