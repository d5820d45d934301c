// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace moecal::planning {
namespace {

// Relative step of the numerical derivative: formulas are ratios of sums, nearly linear over it.
constexpr double kStep = 1e-5;

double replay(const Expression& expression, const std::vector<RecordedCall>& calls,
              std::size_t changed, double factor) {
  std::size_t index = 0;
  return expression.evaluate([&](const CostCall&) {
    const double seconds = calls[index].cost.seconds();
    return index++ == changed ? seconds * factor : seconds;
  });
}

void add_contributions(const Expression& expression, std::vector<RecordedCall>& calls) {
  for (std::size_t i = 0; i < calls.size(); ++i)
    calls[i].contribution =
        (replay(expression, calls, i, 1 + kStep) - replay(expression, calls, i, 1 - kStep)) /
        (2 * kStep);
}

}  // namespace

Evaluation evaluate(const Expression& expression, const CostSource& source) {
  Evaluation result;
  result.value = expression.evaluate([&](const CostCall& call) {
    result.calls.push_back({call, source.cost(call), 0});
    const auto& missing = result.calls.back().cost.missing;
    if (!missing.empty() &&
        std::find(result.missing.begin(), result.missing.end(), missing) == result.missing.end())
      result.missing.push_back(missing);
    return result.calls.back().cost.seconds();
  });
  if (!result.answered()) return result;
  if (!std::isfinite(result.value) && result.calls.empty()) expression.fail("has no finite value");
  if (!std::isfinite(result.value))
    result.missing.emplace_back("a finite value: with these costs the formula divides by nothing");
  else
    add_contributions(expression, result.calls);
  return result;
}

std::optional<double> per_second(const std::string& unit) {
  if (unit == "us") return 1e6;
  if (unit == "ms") return 1e3;
  if (unit == "s") return 1;
  if (unit == "h") return 1.0 / 3600;
  return std::nullopt;
}

Names names_of(const ClaimSet& set, const Document& document, const Claim& claim) {
  Names names{set.functions, document.constants};
  for (const auto& parameter : claim.parameters) names.constants[parameter.name] = parameter.value;
  names.constants["value"] = claim.comparison.value;
  return names;
}

}  // namespace moecal::planning
