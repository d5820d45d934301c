// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/array_math.hpp"

#include <Eigen/Core>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace moecal::calibration {
namespace {

/// 1 / i!
constexpr auto kInverseFactorials = [] {
  std::array<double, 14> inverse{1};
  double factorial = 1;
  for (std::size_t i = 1; i < inverse.size(); ++i)
    inverse[i] = 1 / (factorial *= static_cast<double>(i));
  return inverse;
}();

/// The terms of an exponential's series near 0 that have x^first, x^(first + 2), ... over x^first.
/// Written out by the compiler, which takes no loop in a loop for several numbers at once.
template <std::size_t kFirst, std::size_t... kFromLast>
double every_other_term(double squared, std::index_sequence<kFromLast...>) {
  constexpr std::size_t kLast = kFirst + 2 * (sizeof...(kFromLast) - 1);
  double sum = 0;
  ((sum = sum * squared + kInverseFactorials[kLast - 2 * kFromLast]), ...);
  return sum;
}

/// Within half of log 2 of 0 what is left out is less than a rounding. Even and odd terms add up
/// beside one another, not one after the other.
double exponential_near_0(double x) {
  using Half = std::make_index_sequence<kInverseFactorials.size() / 2>;
  return every_other_term<0>(x * x, Half{}) + x * every_other_term<1>(x * x, Half{});
}

/// 2^n e^r with n whole and r as small as can be, from -708 to 709. Without a branch or a table, so
/// that the compiler takes several at once.
double exponential(double x) {
  constexpr double kShift = 6755399441055744.0;           // 2^52 + 2^51: rounds to a whole number
  constexpr double kLog2Above = 6.93147180369123816e-01;  // exact times n
  constexpr double kLog2Below = 1.90821492927058770e-10;
  const double shifted = x * 1.4426950408889634 + kShift, n = shifted - kShift;
  const double r = (x - n * kLog2Above) - n * kLog2Below;
  const auto power = (std::bit_cast<std::uint64_t>(shifted) + 1023) << 52;
  return exponential_near_0(r) * std::bit_cast<double>(power);
}

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
  array_of(out) = array_of(values).max(-708.0).min(709.0);
  for (double& value : out) value = exponential(value);
}

}  // namespace moecal::calibration
