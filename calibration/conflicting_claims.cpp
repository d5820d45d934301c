// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/conflicting_claims.hpp"

namespace moecal::calibration {
namespace {

using Sources = std::pair<std::string, std::string>;  // kept, dropped

std::map<Sources, int> duplicates_in(Repeats repeats) {
  std::map<Sources, int> points;
  for (const auto& one : drop_duplicates(repeats)) points[{one.kept, one.dropped}] += one.points;
  return points;
}

/// Figures that two series share, beyond those that either holds twice itself.
std::vector<ConflictingClaim> between(const ClaimedRepeats& a, const ClaimedRepeats& b) {
  Repeats both = *a.repeats;
  for (const auto& [place, repeats] : *b.repeats) {
    auto& at = both[place];
    at.insert(at.end(), repeats.begin(), repeats.end());
  }
  auto shared = duplicates_in(std::move(both));
  for (const auto* alone : {a.repeats, b.repeats})
    for (const auto& [sources, points] : duplicates_in(*alone))
      if (const auto found = shared.find(sources); found != shared.end()) found->second -= points;
  std::vector<ConflictingClaim> claims;
  for (const auto& [sources, points] : shared)
    if (points > 0) claims.push_back({a.series, b.series, {sources.first, sources.second, points}});
  return claims;
}

}  // namespace

std::vector<ConflictingClaim> conflicting_claims(std::span<const ClaimedRepeats> series) {
  std::map<std::string, std::vector<const ClaimedRepeats*>> alike;
  for (const auto& one : series) alike[one.but_for].push_back(&one);
  std::vector<ConflictingClaim> claims;
  for (const auto& [name, group] : alike)
    for (std::size_t i = 0; i < group.size(); ++i)
      for (std::size_t j = i + 1; j < group.size(); ++j)
        for (auto& claim : between(*group[i], *group[j])) claims.push_back(std::move(claim));
  return claims;
}

}  // namespace moecal::calibration
