// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/array_math.hpp"

#include <Eigen/Core>

namespace moecal::calibration {
namespace {

auto array_of(std::span<const double> values) {
  return Eigen::Map<const Eigen::ArrayXd>{values.data(), static_cast<Eigen::Index>(values.size())};
}
auto array_of(std::span<double> values) {
  return Eigen::Map<Eigen::ArrayXd>{values.data(), static_cast<Eigen::Index>(values.size())};
}

}  // namespace

void logarithms(std::span<const double> values, std::span<double> out) {
  array_of(out) = array_of(values).log();
}

void exponentials(std::span<const double> values, std::span<double> out) {
  array_of(out) = array_of(values).exp();
}

}  // namespace moecal::calibration
