// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <span>
#include <vector>

namespace moecal::calibration {

/// A robust fit: the parameters that minimise sum rho(residual), with rho Cauchy. Least squares
/// would be pulled upward by the slow spikes that 8-12 % of some tables contain.
struct LeastSquares {
  std::size_t rows = 0;
  /// Residual of a row, usually log(predicted / measured). Must be smooth almost everywhere.
  std::function<double(std::span<const double> parameters, std::size_t row)> residual{};
  /// Of all rows, in the place of `residual`: what depends on the parameters only is computed once.
  std::function<void(std::span<const double> parameters, std::span<double> residuals)>
      residuals_of_all{};
  /// Its derivatives by the parameters; where empty, central differences stand in.
  std::function<void(std::span<const double> parameters, std::size_t row, std::span<double> slopes)>
      gradient{};
  /// Residuals and derivatives in one call, in the place of all above. `residuals` has `rows`
  /// numbers; `slopes` is empty if they are not wanted, else a row's derivatives follow one
  /// another: slopes[row * parameters.size() + i].
  std::function<void(std::span<const double> parameters, std::span<double> residuals,
                     std::span<double> slopes)>
      evaluate_all{};
  std::vector<double> start, lower, upper;  // of each parameter
  double loss_scale = 0.05;  // residuals far above this count little; 0: plain least squares
  int max_iterations = 60;
  double settled = 1e-10;  // a step that lowers the cost by less than this share of it is the last
  /// In a direction that no row speaks of a step is rounding over damping: where parameters may be
  /// such, more of it keeps them where they are on every processor.
  double least_damping = 1e-12;
  bool wants_errors = true;  // false where only the parameters or the cost are looked at
};

/// Of problems that have such parameters: two knots beside one size can move together, and with
/// 1e-12 they moved by some millionths of themselves from one processor to another.
inline constexpr double kFirmDamping = 1e-9;

struct LeastSquaresSolution {
  std::vector<double> parameters;
  std::vector<double> standard_errors;  // 0 where a parameter lies on its bound or is unidentified
  double cost = 0;                      // half the sum of rho
  int iterations = 0;
};

/// Levenberg-Marquardt between bounds. Single-threaded and seedless: the same problem gives the
/// same bytes.
/// @throws Error if the residuals are not finite at the start.
[[nodiscard]] LeastSquaresSolution solve(const LeastSquares& problem);

/// Standard errors at given parameters, for fits that were found in another way.
[[nodiscard]] std::vector<double> standard_errors(const LeastSquares& problem,
                                                  std::span<const double> parameters);

}  // namespace moecal::calibration
