// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/gaussian_process.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using Index = Eigen::Index;

/// A choice that narrows the targets by less than this share is not worth a measurement.
constexpr double kWorthwhile = 1e-3;

Vector vector_of(std::span<const double> values) {
  return Eigen::Map<const Vector>(values.data(), static_cast<Index>(values.size()));
}

Eigen::LLT<Matrix> factorised(const Matrix& covariance) {
  Eigen::LLT<Matrix> factor{covariance};
  if (factor.info() != Eigen::Success)
    throw Error{"the covariance of " + std::to_string(covariance.rows()) +
                " places is not positive definite: two of them are the same without noise"};
  return factor;
}

/// Some of a problem's places.
struct Places {
  std::size_t first = 0, count = 0;
};

Places known(const DesignProblem& problem) { return {0, problem.known}; }
Places candidates(const DesignProblem& problem) { return {problem.known, problem.candidates}; }
Places targets(const DesignProblem& problem) {
  return {problem.known + problem.candidates, problem.targets};
}

Matrix covariance(const DesignProblem& problem, Places rows, Places columns) {
  Matrix result(rows.count, columns.count);
  for (std::size_t i = 0; i < rows.count; ++i)
    for (std::size_t j = 0; j < columns.count; ++j)
      result(static_cast<Index>(i), static_cast<Index>(j)) =
          problem.covariance(rows.first + i, columns.first + j);
  return result;
}

Vector variances(const DesignProblem& problem, Places places) {
  Vector result(places.count);
  for (std::size_t i = 0; i < places.count; ++i)
    result[static_cast<Index>(i)] = problem.covariance(places.first + i, places.first + i);
  return result;
}

/// What is still uncertain while choices are made.
class Remaining {
 public:
  explicit Remaining(const DesignProblem& problem)
      : noise_{problem.noise_variance},
        weights_{vector_of(problem.weights) / std::max(vector_of(problem.weights).sum(), 1e-300)},
        among_{covariance(problem, candidates(problem), candidates(problem))},
        to_targets_{covariance(problem, candidates(problem), targets(problem))},
        variances_{variances(problem, targets(problem))} {
    if (problem.known > 0) learn_what_is_known(problem);
  }

  [[nodiscard]] double spread() const { return weighted(variances_); }

  [[nodiscard]] double spread_with(Index candidate) const {
    return weighted(variances_ - to_targets_.row(candidate).transpose().cwiseAbs2() /
                                     measured_variance(candidate));
  }

  void measure(Index candidate) {
    const double variance = measured_variance(candidate);
    const Vector targets = to_targets_.row(candidate), others = among_.col(candidate);
    variances_ -= targets.cwiseAbs2() / variance;
    to_targets_ -= others * targets.transpose() / variance;
    among_ -= others * others.transpose() / variance;
  }

 private:
  void learn_what_is_known(const DesignProblem& problem) {
    Matrix between = covariance(problem, known(problem), known(problem));
    between.diagonal().array() += noise_;
    const auto factor = factorised(between);
    const Matrix cross =
        factor.matrixL().solve(covariance(problem, known(problem), candidates(problem)));
    const Matrix aims =
        factor.matrixL().solve(covariance(problem, known(problem), targets(problem)));
    among_ -= cross.transpose() * cross;
    to_targets_ -= cross.transpose() * aims;
    variances_ -= aims.colwise().squaredNorm().transpose();
  }

  [[nodiscard]] double measured_variance(Index candidate) const {
    return std::max(among_(candidate, candidate), 0.0) + noise_;
  }
  [[nodiscard]] double weighted(const Vector& of) const {
    return weights_.dot(of.cwiseMax(0.0).cwiseSqrt());
  }

  double noise_;
  Vector weights_;     // of the targets, adding up to 1
  Matrix among_;       // candidates
  Matrix to_targets_;  // candidates x targets
  Vector variances_;   // of the targets
};

}  // namespace

struct GaussianProcess::Solved {
  Eigen::LLT<Matrix> factor;
  Vector weights;  // inverse covariance times the values
};

GaussianProcess::GaussianProcess(std::span<const double> covariance, double noise_variance,
                                 std::span<const double> values) {
  const auto n = static_cast<Index>(values.size());
  Matrix noisy = Eigen::Map<const Matrix>(covariance.data(), n, n);
  noisy.diagonal().array() += noise_variance;
  auto factor = factorised(noisy);
  Vector weights = factor.solve(vector_of(values));
  solved_ = std::make_unique<Solved>(Solved{std::move(factor), std::move(weights)});
}

GaussianProcess::~GaussianProcess() = default;

double GaussianProcess::mean(std::span<const double> cross) const {
  return vector_of(cross).dot(solved_->weights);
}

double GaussianProcess::variance(double prior, std::span<const double> cross) const {
  const Vector solved = solved_->factor.matrixL().solve(vector_of(cross));
  return std::max(0.0, prior - solved.squaredNorm());
}

std::vector<GaussianProcess::LeftOut> GaussianProcess::left_out() const {
  std::vector<std::string> names;
  for (Index i = 0; i < solved_->weights.size(); ++i) names.push_back(std::to_string(i));
  return left_out(names);
}

// Rasmussen and Williams 2006, equations 5.10 to 5.12, and for several values their block of the
// inverse in the place of its diagonal: no fit is repeated.
std::vector<GaussianProcess::LeftOut> GaussianProcess::left_out(
    std::span<const std::string> names) const {
  const auto n = solved_->weights.size();
  const Matrix inverse = solved_->factor.solve(Matrix::Identity(n, n));
  std::map<std::string, std::vector<Index>> together;
  for (Index i = 0; i < n; ++i) together[names[static_cast<std::size_t>(i)]].push_back(i);
  std::vector<LeftOut> result(names.size());
  for (const auto& [name, values] : together) {
    const Matrix covariance = inverse(values, values).inverse();
    const Vector errors = -covariance * solved_->weights(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<Index>(i);
      result[static_cast<std::size_t>(values[i])] = {errors[at], std::sqrt(covariance(at, at))};
    }
  }
  return result;
}

Design design(const DesignProblem& problem, std::size_t count) {
  Remaining remaining{problem};
  Design result{remaining.spread(), {}};
  std::vector<bool> chosen(problem.candidates);
  double spread = result.standard_deviation;
  while (result.choices.size() < count) {
    std::size_t best = problem.candidates;
    double least = spread * (1 - kWorthwhile);
    for (std::size_t i = 0; i < problem.candidates; ++i) {
      if (chosen[i]) continue;
      const double narrowed = remaining.spread_with(static_cast<Index>(i));
      if (narrowed < least) {
        least = narrowed;
        best = i;
      }
    }
    if (best == problem.candidates) break;
    chosen[best] = true;
    remaining.measure(static_cast<Index>(best));
    spread = remaining.spread();
    result.choices.push_back({best, spread});
  }
  return result;
}

}  // namespace moecal::calibration
