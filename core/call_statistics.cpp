// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/call_statistics.hpp"

#include <algorithm>
#include <map>

#include "core/collective.hpp"
#include "core/statistics.hpp"

namespace moecal {

// What a point that is not sized in bytes moves follows from its work: what is sent is what crosses
// a rank's link.
std::optional<CollectiveRates> collective_rates(const Observation& o) {
  if (o.samples_s.empty() || !is_collective(o.operation)) return std::nullopt;
  const double factor = bus_factor(o.operation, o.ranks.group);
  const auto bytes = o.point.find("bytes");
  if (factor == 0 || (bytes == o.point.end() && o.work.sent.value() == 0)) return std::nullopt;
  const Bytes moved = bytes != o.point.end() ? Bytes{static_cast<double>(bytes->second)}
                                             : Bytes{o.work.sent.value() / factor};
  const BytesPerSecond algbw = moved / Seconds{o.seconds()};
  return CollectiveRates{algbw, BytesPerSecond{factor * algbw.value()}};
}

std::optional<CallPercentiles> call_percentiles(const Observation& o) {
  if (o.call_s.empty()) return std::nullopt;
  const auto of_at_least = [&](std::size_t calls, double q) -> std::optional<double> {
    if (o.call_s.size() < calls) return std::nullopt;
    return quantile(o.call_s, q);
  };
  return CallPercentiles{quantile(o.call_s, 0.50), of_at_least(20, 0.95), of_at_least(100, 0.99)};
}

std::optional<LateRank> most_often_late(const Observation& o) {
  std::map<int, int> calls;
  for (const int rank : o.late_rank)
    if (rank >= 0) ++calls[rank];
  const auto most =
      std::ranges::max_element(calls, {}, [](const auto& entry) { return entry.second; });
  if (most == calls.end()) return std::nullopt;
  return LateRank{most->first, most->second};
}

}  // namespace moecal
