// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "planning/cost_source.hpp"

namespace moecal::planning {

/// A function of formulas that is itself a formula, e.g. bubble(p, m) = (p-1)/(m+p-1).
struct DerivedFunction {
  std::string name;
  std::vector<std::string> parameters;
  std::string formula;
};

/// The names a formula may use, besides cost functions, dtypes and tiers.
struct Names {
  std::vector<DerivedFunction> functions;
  std::map<std::string, double> constants;
};

/// A formula over numbers and costs, parsed once and evaluated any number of times. The language
/// is muParser's (+ - * / ^, comparisons, ?:, min, max, ...) with floor, remainder, the functions
/// of planning/loads.hpp and the cost functions, which return seconds.
class Expression {
 public:
  /// @throws InvalidInput with the formula and what is wrong in it; `where` names file and claim.
  Expression(const std::string& formula, const Names& names, std::string where);
  ~Expression();
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;

  /// The value, each cost call answered by `seconds`. Calls come in the same order every time.
  [[nodiscard]] double evaluate(const std::function<double(const CostCall&)>& seconds) const;

  /// @throws InvalidInput "<where>: formula '...': <problem>"
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moecal::planning
