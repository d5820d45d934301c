// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/stop_rule.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

// The interval is looked at after 9, 12, 16, 22, ... samples only: a rule that looks after every
// sample stops at the first lucky streak, and its interval covers the truth too rarely.
int checkpoint_from(int count, int first) {
  int checkpoint = first;
  while (checkpoint < count) checkpoint += (checkpoint + 2) / 3;
  return checkpoint;
}

}  // namespace

Seconds default_budget(const std::string& suite) {
  if (suite == "quick") return Seconds{0.1};
  return Seconds{suite == "full" ? 1.0 : 0.2};
}

Seconds shortest_device_batch(const std::string& suite) {
  return Seconds{suite == "quick" ? 100e-6 : 250e-6};
}

std::string_view StopRule::reason(std::span<const double> samples, const TimeSpent& spent) const {
  const int count = static_cast<int>(samples.size());
  if (count >= min_samples && checkpoint_from(count, min_samples) == count &&
      relative_median_half_width(samples, confidence) <= relative_half_width)
    return "half_width";
  if (count >= max_samples) return "samples";
  if (count < fewest_samples) return "";
  if (spent.sampled >= budget) return "time";
  if (spent.over) return "time_limit";
  return spent.wall >= longest_wall() ? "wall_time" : "";
}

Seconds StopRule::longest_wall() const { return std::max(Seconds{0.1}, 3 * budget); }

int StopRule::samples_until_done(int samples, Seconds spent, Seconds each) const {
  const int checkpoint = std::min(checkpoint_from(samples + 1, min_samples), max_samples);
  const double fitting = std::ceil((budget - spent) / std::max(each, Seconds{1e-9}));
  const double by_time = std::max<double>(fitting, fewest_samples - samples);
  return static_cast<int>(std::clamp<double>(by_time, 1, std::max(1, checkpoint - samples)));
}

std::string StopRule::str() const {
  std::ostringstream text;
  text << "median half-width <= " << 100 * relative_half_width << " % at " << 100 * confidence
       << " % with " << min_samples << " to " << max_samples << " samples, " << budget.count()
       << " s, or " << longest_wall().count() << " s by the wall";
  return text.str();
}

}  // namespace moecal::bench
