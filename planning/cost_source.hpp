// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moecal::planning {

/// One call of a cost function in a formula, e.g. all_reduce(2.5e10, 2, nvlink).
struct CostCall {
  std::string function;                   // as written: gemm, all_reduce, gate, ...
  std::map<std::string, double> numbers;  // by the names of its signature, e.g. {"bytes": 2.5e10}
  std::string dtype;                      // as written: bf16, fp16, fp8, int8; empty where none
  std::string tier;                       // as written: nvlink, link, ib, ib_node; empty where none
  [[nodiscard]] double number(const std::string& name) const { return numbers.at(name); }
  /// "all_reduce(2.5e+10, 2, nvlink)", arguments in the order of the signature.
  [[nodiscard]] std::string str() const;
  auto operator<=>(const CostCall&) const = default;
};

/// What one model contributes to a call: a gate is a GEMM and a top-k kernel.
struct CostPart {
  std::string operation;  // as in observations: expert_gemm, all_reduce, ...
  double seconds = 0;
  double lo = 0, hi = 0;  // 90 % interval; both equal seconds where there is none
  std::string model_id;   // empty for a nominal figure
  std::string provenance;
  std::vector<std::string> flags;
};

/// The answer to a call: parts that add up, or a sentence that says what is missing.
struct Cost {
  std::vector<CostPart> parts;
  std::string missing;
  [[nodiscard]] bool answered() const { return missing.empty(); }
  [[nodiscard]] double seconds() const;
};

/// Who answers the calls of a formula: nominal figures or fitted coefficients.
class CostSource {
 public:
  virtual ~CostSource() = default;
  [[nodiscard]] virtual Cost cost(const CostCall& call) const = 0;
};

/// The parameters of a cost function in order; "dtype" and "tier" are names, the rest numbers.
struct Signature {
  std::string name;
  std::vector<std::string> parameters;
};
[[nodiscard]] const std::vector<Signature>& cost_functions();

}  // namespace moecal::planning
