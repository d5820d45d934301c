// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

/// A form with a model's parameters resolved once: no names are looked up in a call.
class PreparedForm {
 public:
  virtual ~PreparedForm() = default;
  /// Seconds of each call, as evaluate() gives them within 1e-12.
  virtual void seconds(std::span<const Inputs> calls, std::span<double> seconds) const = 0;
};

/// What a form is: its name in files, its parameters with units, and its equation. Forms live one
/// to a file pair; the list is in form.cpp.
struct Form {
  std::string_view name;
  std::vector<ParameterSpec> parameters;
  double (*seconds)(const Model&, const Inputs&);
  /// Where empty, prepare() asks `seconds` call by call.
  std::unique_ptr<PreparedForm> (*prepare)(const Model&) = nullptr;
};

/// @throws InvalidInput naming the known forms.
[[nodiscard]] const Form& form(std::string_view name);
[[nodiscard]] std::span<const Form> all_forms();

/// Seconds the model gives, its residual included, without any rule about validity.
[[nodiscard]] double evaluate(const Model& model, const Inputs& inputs);
/// The same of many calls, at a fraction of the cost each.
[[nodiscard]] std::vector<double> evaluate(const Model& model, std::span<const Inputs> calls);

/// For many calls of one model, which must outlive the result.
[[nodiscard]] std::unique_ptr<PreparedForm> prepare(const Model& model);

/// A prepared form from a function of one call: a lambda that holds the parameters.
template <typename SecondsOf>
class PreparedFunction final : public PreparedForm {
 public:
  explicit PreparedFunction(SecondsOf seconds_of) : seconds_of_{std::move(seconds_of)} {}
  void seconds(std::span<const Inputs> calls, std::span<double> seconds) const override {
    for (std::size_t i = 0; i < calls.size(); ++i) seconds[i] = seconds_of_(calls[i]);
  }

 private:
  SecondsOf seconds_of_;
};
template <typename SecondsOf>
std::unique_ptr<PreparedForm> prepared_function(SecondsOf seconds_of) {
  return std::make_unique<PreparedFunction<SecondsOf>>(std::move(seconds_of));
}

/// The value of a parameter. @throws InvalidInput naming the model if it lacks it.
[[nodiscard]] double parameter(const Model& model, std::string_view name);
[[nodiscard]] double parameter_or(const Model& model, std::string_view name, double fallback);

}  // namespace moecal::calibration
