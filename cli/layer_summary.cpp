// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/layer_summary.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "core/part_statistics.hpp"
#include "core/statistics.hpp"

namespace moecal::cli {

void LayerSummary::add(const Observation& observation) {
  if (observation.operation != "moe_layer" || observation.outcome != Outcome::measured) return;
  const auto sum = least_parts_over_whole(observation);
  if (!sum) return;
  sums_.push_back(*sum);
  if (!parts_over_whole(observation)) ++least_;
}

std::string LayerSummary::text() const {
  if (sums_.empty()) return {};
  const auto [least, most] = std::ranges::minmax(sums_);
  std::ostringstream text;
  text << std::fixed << std::setprecision(2)
       << "moe_layer: its parts, added, over the whole: " << median(sums_) << " (" << least
       << " to " << most << ") at " << sums_.size() << (sums_.size() == 1 ? " point" : " points");
  if (least_ > 0)
    text << "; at " << least_ << " of them at least that, for a part was warmer than the whole";
  text << "\n";
  return text.str();
}

}  // namespace moecal::cli
