// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "core/observation.hpp"
#include "core/units.hpp"

/// What the samples of a collective come to, for tables and for those who read a record without
/// computing.
namespace moecal {

/// As nccl-tests has them: bytes of the point over the time of back-to-back calls, and what of that
/// crosses a rank's link.
struct CollectiveRates {
  BytesPerSecond algbw;
  BytesPerSecond busbw;
};
/// Nothing if it is no measured collective.
[[nodiscard]] std::optional<CollectiveRates> collective_rates(const Observation& observation);

/// Of the calls one at a time, in seconds. A percentile that no call lies beyond is unknown: of
/// fewer than 20 calls the 95th, of fewer than 100 the 99th.
struct CallPercentiles {
  double p50 = 0;
  std::optional<double> p95, p99;
};
/// Nothing if none were timed.
[[nodiscard]] std::optional<CallPercentiles> call_percentiles(const Observation& observation);

/// The rank that came last most often, of those named.
struct LateRank {
  int rank = 0;
  int calls = 0;
};
/// Nothing if nobody was named.
[[nodiscard]] std::optional<LateRank> most_often_late(const Observation& observation);

}  // namespace moecal
