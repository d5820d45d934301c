// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/breakdown.hpp"

#include <algorithm>

namespace moecal::planning {
namespace {

// How often a formula counts this call: 3*L*gemm(...) calls it 3 L times.
double times_called(const RecordedCall& recorded, const std::string& unit) {
  const auto scale = per_second(unit);
  const double seconds = recorded.cost.seconds();
  return scale && seconds > 0 ? recorded.contribution / (*scale * seconds) : 1;
}

void add_once(std::vector<std::string>& list, const std::string& entry) {
  if (!entry.empty() && std::find(list.begin(), list.end(), entry) == list.end())
    list.push_back(entry);
}

OperationShare& share_of(std::vector<OperationShare>& shares, const std::string& operation) {
  for (auto& share : shares)
    if (share.operation == operation) return share;
  shares.push_back({operation, 0, 0, 0, {}, {}});
  return shares.back();
}

}  // namespace

std::vector<OperationShare> breakdown(const ReadingResult& reading, const std::string& unit) {
  std::vector<OperationShare> shares;
  const double total = reading.value ? *reading.value : reading.nominal.value_or(0);
  for (const auto& recorded : reading.calls) {
    if (!recorded.cost.answered()) return {};
    const double times = times_called(recorded, unit), seconds = recorded.cost.seconds();
    for (const auto& part : recorded.cost.parts) {
      auto& share = share_of(shares, part.operation);
      share.calls += times;
      share.seconds += times * part.seconds;
      if (seconds > 0 && total != 0)
        share.share += recorded.contribution / total * part.seconds / seconds;
      add_once(share.models, part.model_id);
      for (const auto& flag : part.flags) add_once(share.flags, flag);
    }
  }
  return shares;
}

std::optional<Replacement> replacement(const ClaimResult& result) {
  if (result.verdict == Verdict::holds || result.verdict == Verdict::unfalsifiable)
    return std::nullopt;
  if (result.main.interval) return Replacement{*result.main.value, result.main.interval};
  for (const auto& finding : result.findings)
    if (!finding.superseded && finding.verdict == result.verdict &&
        result.verdict >= Verdict::contradicted && finding.finding->unit == result.claim->unit)
      return Replacement{finding.computed, std::nullopt};
  return std::nullopt;
}

}  // namespace moecal::planning
