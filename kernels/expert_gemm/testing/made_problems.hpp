// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"

namespace moecal::kernels {

// `types`: a family, and a layout where it is not TN: "bf16", "bf16 NT".
inline ExpertGemmProblem problem_of(const std::string& types, const ExpertGemmShape& shape) {
  const auto space = types.find(' ');
  auto dtypes = expert_gemm_dtypes(types.substr(0, space));
  if (space != std::string::npos) dtypes.layout = types.substr(space + 1);
  return expert_gemm_problem({{"m", shape.m}, {"n", shape.n}, {"k", shape.k}}, dtypes);
}

inline std::string name_of(const testing::TestParamInfo<std::string>& types) {
  auto name = types.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

inline HostMatrix matrix_of(Dtype dtype, const MatrixShape& shape,
                            const std::vector<double>& values) {
  auto matrix = zero_matrix(dtype, shape);
  for (std::size_t i = 0; i < values.size(); ++i)
    encode_element(dtype, values[i], matrix.data.data() + i * size_of(dtype));
  return matrix;
}

inline PeriodicMatrix operand_of(Dtype dtype, const MatrixShape& shape,
                                 const std::vector<double>& values) {
  return given_matrix(matrix_of(dtype, shape, values));
}

inline std::vector<double> oracle_of(const ExpertGemmOperands& operands) {
  std::vector<double> c(static_cast<std::size_t>(operands.m() * operands.n()));
  expert_gemm_cpu(operands, c);
  return c;
}

// The oracle's product, rounded to the result's type.
inline HostMatrix product_of(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands) {
  return matrix_of(problem.c, {problem.shape.m, problem.shape.n}, oracle_of(operands));
}

}  // namespace moecal::kernels
