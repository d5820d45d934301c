// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace moecal::calibration {

/// Values known at some places, and through the covariance between places what they say about
/// others. The values have prior mean 0: whoever knows better subtracts it first.
class GaussianProcess {
 public:
  /// covariance: [values x values], row by row, without the noise of the values.
  /// @throws Error if it is not positive definite.
  GaussianProcess(std::span<const double> covariance, double noise_variance,
                  std::span<const double> values);
  ~GaussianProcess();

  /// `cross`: [values], the covariance of a place with the known ones.
  [[nodiscard]] double mean(std::span<const double> cross) const;
  /// `prior`: the place's own variance before anything was known.
  [[nodiscard]] double variance(double prior, std::span<const double> cross) const;

  /// What the other values alone would have said of one.
  struct LeftOut {
    double error = 0;               // predicted - known
    double standard_deviation = 0;  // of that prediction, noise included
  };
  [[nodiscard]] std::vector<LeftOut> left_out() const;
  /// The same where those that share a name are left out together. `names`: [values].
  [[nodiscard]] std::vector<LeftOut> left_out(std::span<const std::string> names) const;

 private:
  struct Solved;
  std::unique_ptr<Solved> solved_;
};

/// Where one could measure, and where one wants to know more. Places are numbered: first the known,
/// then the candidates, then the targets.
struct DesignProblem {
  std::size_t known = 0, candidates = 0, targets = 0;
  std::function<double(std::size_t, std::size_t)> covariance;
  double noise_variance = 0;    // of a measurement
  std::vector<double> weights;  // [targets]
};

/// A candidate, with the weighted mean of the targets' standard deviations once it and all before
/// it are measured.
struct DesignChoice {
  std::size_t candidate = 0;  // from 0
  double standard_deviation = 0;
};

struct Design {
  double standard_deviation = 0;  // weighted mean before any
  std::vector<DesignChoice> choices;
};

/// Chooses up to `count` candidates, each the one that narrows the targets most after those before
/// it; ends early when none narrows them by more than a thousandth. What will be measured plays no
/// part: the variances of a Gaussian process depend on places alone.
[[nodiscard]] Design design(const DesignProblem& problem, std::size_t count);

}  // namespace moecal::calibration
