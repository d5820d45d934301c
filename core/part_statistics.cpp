// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/part_statistics.hpp"

#include <algorithm>

#include "core/statistics.hpp"

namespace moecal {
namespace {

bool parts_are_as_cold(const Observation& o) {
  if (o.policy.cache != "cold") return true;
  return std::ranges::all_of(o.parts_s, [&](const auto& part) {
    const auto found = o.parts_cache.find(part.first);
    return found != o.parts_cache.end() && found->second == "cold";
  });
}

}  // namespace

std::optional<OverlapFigures> overlap_figures(const Observation& o) {
  if (o.operation != "overlap" || o.samples_s.empty()) return std::nullopt;
  for (const char* name : {"gemm", "all_to_all", "gemm_beside", "all_to_all_beside"})
    if (const auto part = o.parts_s.find(name); part == o.parts_s.end() || part->second.empty())
      return std::nullopt;
  const auto part = [&](const char* name) { return median(o.parts_s.at(name)); };
  const double gemm = part("gemm"), exchange = part("all_to_all");
  return OverlapFigures{
      .gemm_slowdown = part("gemm_beside") / gemm,
      .all_to_all_slowdown = part("all_to_all_beside") / exchange,
      .hidden_fraction = (gemm + exchange - o.seconds()) / std::min(gemm, exchange)};
}

std::optional<double> parts_over_whole(const Observation& o) {
  const auto bound = least_parts_over_whole(o);
  return parts_are_as_cold(o) ? bound : std::nullopt;
}

std::optional<double> least_parts_over_whole(const Observation& o) {
  if (o.parts_s.empty() || o.samples_s.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& [name, seconds] : o.parts_s)
    if (!seconds.empty() && !name.ends_with("_beside")) sum += median(seconds);
  return sum / o.seconds();
}

}  // namespace moecal
