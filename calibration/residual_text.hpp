// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// A residual as a coefficients file holds it: lines of numbers (calibration/number_list.hpp).
struct ResidualText {
  std::string kind, features;
  double multiprocessors = 0;
  std::vector<std::string> borders;  // of each feature
  std::vector<std::string> trees;    // features of the levels, borders of the levels, leaves
  std::vector<double> lengths;
  double noise = 0;
  std::string weights;
  double reach = 0;
  std::vector<std::string> centres;
};

[[nodiscard]] ResidualText to_text(const Residual& residual);

/// Reports a field that is wrong, and does not return.
using FailField = std::function<void(const std::string& field, const std::string& problem)>;

/// Everything an evaluation will index is checked. Problems go to `fail`, which must throw.
[[nodiscard]] Residual residual_of(const ResidualText& text, const FailField& fail);

}  // namespace moecal::calibration
