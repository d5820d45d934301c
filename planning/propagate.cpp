// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/propagate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/hash.hpp"
#include "core/statistics.hpp"

namespace moecal::planning {
namespace {

// How much of a cost's variance is common to whom. A choice, not a fit: repeats of whole systems
// would be needed to estimate it. They add up to 1, so a single cost keeps its interval exactly.
struct Shares {
  double system = 0.15, operation = 0.20, model = 0.25, call = 0.40;
};
constexpr Shares kShares;

double uniform(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

// A standard normal that depends on the factor's name and the draw alone.
double normal(std::uint64_t name, int draw) {
  const std::uint64_t state = mix(name ^ mix(static_cast<std::uint64_t>(draw)));
  return std::sqrt(-2 * std::log(uniform(mix(state)))) *
         std::cos(2 * std::numbers::pi * uniform(mix(state + 1)));
}

/// Whose costs are drawn; without a machine (one alone) its name is in no factor.
struct Caller {
  std::string call, machine;
  [[nodiscard]] std::string of(const std::string& factor) const {
    return machine.empty() ? factor : factor + " of " + machine;
  }
  /// What all models of an operation have in common is how it was measured: a time taken over from
  /// other cards has its own error.
  [[nodiscard]] std::string operation_of(const CostPart& part) const {
    const auto factor = "operation " + part.operation;
    return part.provenance == "transferred" ? of(factor + ", transferred") : factor;
  }
};

void add_part(const CostPart& part, const Caller& caller, std::vector<double>& seconds) {
  const double sigma =
      part.lo > 0 && part.hi > part.lo ? std::log(part.hi / part.lo) / (2 * kNormal95) : 0;
  const std::array<std::pair<std::uint64_t, double>, 4> factors{
      {{hash_of(caller.of("system")), std::sqrt(kShares.system)},
       {hash_of(caller.operation_of(part)), std::sqrt(kShares.operation)},
       {hash_of("model " + part.model_id), std::sqrt(kShares.model)},
       {hash_of(caller.of("call " + caller.call + " " + part.operation)),
        std::sqrt(kShares.call)}}};
  for (std::size_t draw = 0; draw < seconds.size(); ++draw) {
    double error = 0;
    if (sigma > 0)
      for (const auto& [name, weight] : factors)
        error += weight * normal(name, static_cast<int>(draw));
    seconds[draw] += part.seconds * std::exp(sigma * error);
  }
}

// A divisor that may vanish throws draws to both sides, hundreds of times further out than most; a
// difference that may vanish does not.
constexpr double kPoleReach = 50;

bool has_pole(const std::vector<double>& draws) {
  const auto [lo, hi] = std::minmax_element(draws.begin(), draws.end());
  if (*lo >= 0 || *hi <= 0) return false;
  std::vector<double> sizes;
  sizes.reserve(draws.size());
  for (const double value : draws) sizes.push_back(std::abs(value));
  return std::max(-*lo, *hi) > kPoleReach * median(sizes);
}

}  // namespace

std::vector<double> draw_values(const Expression& expression,
                                const std::vector<RecordedCall>& calls) {
  std::vector<std::vector<double>> seconds;
  for (const auto& recorded : calls) {
    seconds.emplace_back(kDraws, 0.0);
    for (const auto& part : recorded.cost.parts)
      add_part(part, {recorded.call.str(), ""}, seconds.back());
  }
  std::vector<double> values;
  values.reserve(kDraws);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    std::size_t index = 0;
    values.push_back(expression.evaluate([&](const CostCall&) { return seconds[index++][draw]; }));
  }
  return values;
}

std::vector<double> draw_cost(const Cost& cost, const std::string& call,
                              const std::string& machine) {
  std::vector<double> seconds(kDraws, 0.0);
  for (const auto& part : cost.parts) add_part(part, {call, machine}, seconds);
  return seconds;
}

std::optional<Interval> interval_of(const std::vector<double>& draws) {
  for (const double value : draws)
    if (!std::isfinite(value)) return std::nullopt;
  if (has_pole(draws)) return std::nullopt;
  return Interval{quantile(draws, 0.05), quantile(draws, 0.95)};
}

}  // namespace moecal::planning
