// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/verdict.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace moecal::planning {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Decimal fractions such as 41.9 or 0.1 are not exact in binary.
constexpr double kRounding = 1e-9;

struct Allowed {
  double lo = -kInfinity, hi = kInfinity;
  bool open = false;  // the ends do not belong to it
};

Allowed allowed_by(const Comparison& claimed) {
  const double slack = (claimed.tolerance + kRounding) * std::abs(claimed.value);
  const double v = claimed.value;
  if (claimed.comparator == "<") return {-kInfinity, v, true};
  if (claimed.comparator == ">") return {v, kInfinity, true};
  if (claimed.comparator == "<=") return {-kInfinity, v + slack};
  if (claimed.comparator == ">=") return {v - slack, kInfinity};
  if (claimed.comparator == "range") {
    const auto [lo, hi] = *claimed.range;
    return {lo - kRounding * std::abs(lo), hi + kRounding * std::abs(hi)};
  }
  return {v - slack, v + slack};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  static constexpr std::array<std::string_view, 8> kNames{
      "holds",        "unmeasured",  "ambiguous",        "refuted",
      "contradicted", "below_floor", "exceeds_hardware", "unfalsifiable"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

const std::vector<Verdict>& all_verdicts() {
  static const std::vector<Verdict> kAll{Verdict::holds,
                                         Verdict::unmeasured,
                                         Verdict::ambiguous,
                                         Verdict::refuted,
                                         Verdict::contradicted,
                                         Verdict::below_floor,
                                         Verdict::exceeds_hardware,
                                         Verdict::unfalsifiable};
  return kAll;
}

bool agrees(const Comparison& claimed, double computed) {
  const auto allowed = allowed_by(claimed);
  if (allowed.open) return computed > allowed.lo && computed < allowed.hi;
  return computed >= allowed.lo && computed <= allowed.hi;
}

bool meets(const Comparison& claimed, const Interval& interval) {
  const auto allowed = allowed_by(claimed);
  if (allowed.open) return interval.hi > allowed.lo && interval.lo < allowed.hi;
  return interval.hi >= allowed.lo && interval.lo <= allowed.hi;
}

}  // namespace moecal::planning
