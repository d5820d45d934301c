// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/piecewise.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moecal::calibration {
namespace {

/// Two steps of a protocol, 8 and 16 MiB, that three segments follow in more than one way: one size
/// between the knots cannot say where they lie.
std::vector<FitPoint> two_steps() {
  std::vector<FitPoint> points;
  for (int i = 0; i < 21; ++i) {
    const double size = std::ldexp(512.0, i);
    const double step = i < 14 ? 0 : i == 14 ? 1.3e-5 : 6.3e-5 * 16777216 / size;
    points.push_back(
        {{.size = size}, 18e-6 * (1 + 0.03 * std::sin(2.4 * i + 1)) + 1.45e-12 * size + step});
  }
  return points;
}

/// Another processor's logarithm ends in another digit: where a fit ends must not hang on it.
TEST(Piecewise, EndsWhereItDoesWhateverTheLastDigit) {
  const auto points = two_steps();
  const auto line = fit_piecewise(points, 3);
  for (int other = 1; other < 6; ++other) {
    auto rounded = points;
    for (std::size_t i = 0; i < rounded.size(); ++i)
      rounded[i].seconds *= 1 + 4e-16 * static_cast<double>((i * 7 + other * 5) % (other + 1));
    const auto again = fit_piecewise(rounded, 3);
    for (std::size_t i = 0; i < line.knots.size(); ++i)
      EXPECT_NEAR(again.knots[i] / line.knots[i], 1, 1e-7) << i;
    for (std::size_t i = 0; i < line.slopes.size(); ++i)
      EXPECT_NEAR(again.slopes[i], line.slopes[i], 1e-7 * line.slopes[i]) << i;
  }
}

}  // namespace
}  // namespace moecal::calibration
