// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace moecal::calibration {

/// A function of a few numbers that is a sum of products of some of them, e.g. 2xyz + 6x: what the
/// bytes of most kernels are. It is found from the function's values, so that no equation is
/// written twice, and then costs a few multiplications a call.
class SumOfProducts {
 public:
  using Function = std::function<double(std::span<const std::int64_t> numbers)>;

  /// Nothing where the function is no such sum (it is asked at whole numbers, also 0), or takes
  /// more than kMostNumbers.
  [[nodiscard]] static std::optional<SumOfProducts> find(std::size_t numbers,
                                                         const Function& function);
  static constexpr std::size_t kMostNumbers = 6;

  /// Values of as many calls as `out` holds: columns[i] has the i-th number of each.
  void evaluate(std::span<const std::span<const double>> columns, std::span<double> out) const;

 private:
  struct Term {
    double factor;
    std::vector<std::size_t> numbers;  // that are multiplied
  };
  std::vector<Term> terms_;
};

}  // namespace moecal::calibration
