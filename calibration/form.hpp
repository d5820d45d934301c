// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/coefficients.hpp"
#include "calibration/features.hpp"

namespace moecal::calibration {

/// One row a form is fitted to: a point of a series, repeats already medianed.
struct FitPoint {
  Inputs inputs;
  double seconds = 0;
};

struct ParameterSpec {
  std::string_view name, unit;
  bool required = true;
};

/// What a form is: its name in files, its parameters with units, and its equation. Forms live one
/// to a file pair; the list is in form.cpp.
struct Form {
  std::string_view name;
  std::vector<ParameterSpec> parameters;
  double (*seconds)(const Model&, const Inputs&);
};

/// @throws InvalidInput naming the known forms.
[[nodiscard]] const Form& form(std::string_view name);
[[nodiscard]] std::span<const Form> all_forms();

/// Seconds the model's form gives, without any rule about validity.
[[nodiscard]] double evaluate(const Model& model, const Inputs& inputs);

/// The value of a parameter. @throws InvalidInput naming the model if it lacks it.
[[nodiscard]] double parameter(const Model& model, std::string_view name);
[[nodiscard]] double parameter_or(const Model& model, std::string_view name, double fallback);

}  // namespace moecal::calibration
