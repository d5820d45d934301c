// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/piecewise.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.03;      // of log time: about the noise of a good measurement
constexpr double kLeastSlope = 1e-18;    // s/B: a flat segment, in the logarithm of the polish
constexpr double kLeastLatency = 1e-10;  // s
constexpr std::size_t kMostCandidates = 41;

double part_in_segment(const std::vector<double>& knots, std::size_t segment, double size) {
  const double from = segment == 0 ? 0 : knots[segment - 1];
  const double to =
      segment < knots.size() ? knots[segment] : std::numeric_limits<double>::infinity();
  return std::clamp(size, from, std::max(from, to)) - from;
}

double robust(double residual) {
  const double scaled = residual / kLossScale;
  return 0.5 * kLossScale * kLossScale * std::log1p(scaled * scaled);
}

/// Non-negative solution of a small normal system: what would be negative is held at zero, the most
/// negative first.
Eigen::VectorXd solve_non_negative(const Eigen::MatrixXd& normal, const Eigen::VectorXd& right) {
  std::vector<Eigen::Index> free(static_cast<std::size_t>(right.size()));
  for (std::size_t i = 0; i < free.size(); ++i) free[i] = static_cast<Eigen::Index>(i);
  Eigen::VectorXd solution = Eigen::VectorXd::Zero(right.size());
  while (!free.empty()) {
    const Eigen::VectorXd part =
        Eigen::MatrixXd{normal(free, free)}.ldlt().solve(Eigen::VectorXd{right(free)});
    Eigen::Index worst = 0;
    if (part.minCoeff(&worst) >= 0) {
      for (std::size_t i = 0; i < free.size(); ++i) solution[free[i]] = part[static_cast<int>(i)];
      return solution;
    }
    free.erase(free.begin() + worst);
  }
  return solution;
}

/// With its knots given the line is linear in its other parameters: re-weighted least squares.
class LineAtKnots {
 public:
  LineAtKnots(std::span<const FitPoint> points, const std::vector<double>& knots)
      : points_{points},
        basis_(static_cast<Eigen::Index>(points.size()),
               static_cast<Eigen::Index>(knots.size() + 2)) {
    for (std::size_t row = 0; row < points.size(); ++row) {
      const auto r = static_cast<Eigen::Index>(row);
      basis_(r, 0) = 1;
      for (std::size_t j = 0; j <= knots.size(); ++j)
        basis_(r, static_cast<Eigen::Index>(j + 1)) =
            part_in_segment(knots, j, points[row].inputs.size);
    }
    scale_ = basis_.colwise().maxCoeff().cwiseMax(1e-300).transpose();
    basis_ = basis_ * scale_.cwiseInverse().asDiagonal();
  }

  Piecewise fit(const std::vector<double>& knots) {
    Eigen::VectorXd predicted(basis_.rows());
    for (Eigen::Index r = 0; r < predicted.size(); ++r) predicted[r] = seconds(r);
    Eigen::VectorXd best;
    double best_cost = std::numeric_limits<double>::infinity();
    for (int iteration = 0; iteration < 12; ++iteration) {
      const Eigen::VectorXd coefficients = step(predicted, iteration == 0);
      predicted = basis_ * coefficients;
      if (predicted.minCoeff() <= 0) break;
      const double now = cost(predicted);
      const bool settled = now > best_cost * (1 - 1e-5);
      if (now < best_cost) {
        best_cost = now;
        best = coefficients;
      }
      if (settled && iteration > 2) break;
    }
    return make(best, knots, best_cost);
  }

 private:
  [[nodiscard]] double seconds(Eigen::Index row) const {
    return points_[static_cast<std::size_t>(row)].seconds;
  }

  /// One Gauss-Newton step on log(predicted / measured), linearised at `at`.
  [[nodiscard]] Eigen::VectorXd step(const Eigen::VectorXd& at, bool first) const {
    Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(basis_.cols(), basis_.cols());
    Eigen::VectorXd right = Eigen::VectorXd::Zero(basis_.cols());
    for (Eigen::Index r = 0; r < basis_.rows(); ++r) {
      const double residual = first ? 0 : std::log(at[r] / seconds(r));
      const double scaled = residual / kLossScale;
      const double weight = 1 / (1 + scaled * scaled) / (at[r] * at[r]);
      normal += weight * basis_.row(r).transpose() * basis_.row(r);
      right += weight * basis_.row(r).transpose() * (at[r] * (1 - residual));
    }
    normal.diagonal() *= 1 + 1e-12;
    return solve_non_negative(normal, right);
  }

  [[nodiscard]] double cost(const Eigen::VectorXd& predicted) const {
    double sum = 0;
    for (Eigen::Index r = 0; r < predicted.size(); ++r)
      sum += robust(std::log(predicted[r] / seconds(r)));
    return sum;
  }

  [[nodiscard]] Piecewise make(const Eigen::VectorXd& coefficients,
                               const std::vector<double>& knots, double cost) const {
    Piecewise line;
    line.cost = cost;
    if (coefficients.size() == 0) return line;
    line.knots = knots;
    line.latency = coefficients[0] / scale_[0];
    for (Eigen::Index j = 1; j < coefficients.size(); ++j)
      line.slopes.push_back(coefficients[j] / scale_[j]);
    return line;
  }

  std::span<const FitPoint> points_;
  Eigen::MatrixXd basis_;
  Eigen::VectorXd scale_;
};

std::vector<double> distinct_sizes(std::span<const FitPoint> points) {
  std::set<double> sizes;
  for (const auto& point : points) sizes.insert(point.inputs.size);
  return {sizes.begin(), sizes.end()};
}

std::vector<double> candidate_knots(const std::vector<double>& sizes) {
  std::vector<double> all;
  for (std::size_t i = 1; i + 1 < sizes.size(); ++i) {
    all.push_back(sizes[i]);
    if (i + 2 < sizes.size()) all.push_back(std::sqrt(sizes[i] * sizes[i + 1]));
  }
  if (all.size() <= kMostCandidates) return all;
  std::vector<double> kept;
  for (std::size_t i = 0; i < kMostCandidates; ++i)
    kept.push_back(all[i * (all.size() - 1) / (kMostCandidates - 1)]);
  return kept;
}

/// Two sizes inside each segment, ends included, keep its slope identified.
bool each_segment_has_points(const std::vector<double>& sizes, const std::vector<double>& knots) {
  double from = 0;
  for (std::size_t j = 0; j <= knots.size(); ++j) {
    const double to = j < knots.size() ? knots[j] : std::numeric_limits<double>::infinity();
    const auto inside =
        std::count_if(sizes.begin(), sizes.end(), [&](double s) { return s >= from && s <= to; });
    if (inside < 2) return false;
    from = to;
  }
  return true;
}

void keep_better(Piecewise& best, std::span<const FitPoint> points,
                 const std::vector<double>& knots) {
  auto line = LineAtKnots{points, knots}.fit(knots);
  if (!line.slopes.empty() && (best.slopes.empty() || line.cost < best.cost))
    best = std::move(line);
}

Piecewise search_knots(std::span<const FitPoint> points, int segments) {
  const auto sizes = distinct_sizes(points);
  const auto candidates = candidate_knots(sizes);
  Piecewise best;
  if (segments == 1) keep_better(best, points, {});
  for (std::size_t i = 0; segments > 1 && i < candidates.size(); ++i) {
    if (segments == 2 && each_segment_has_points(sizes, {candidates[i]}))
      keep_better(best, points, {candidates[i]});
    for (std::size_t j = i + 1; segments == 3 && j < candidates.size(); ++j)
      if (each_segment_has_points(sizes, {candidates[i], candidates[j]}))
        keep_better(best, points, {candidates[i], candidates[j]});
  }
  return best;
}

/// Parameters of the polish: log latency, log slopes, log knots.
std::vector<double> pack(const Piecewise& line) {
  std::vector<double> packed{std::log(std::max(line.latency, kLeastLatency))};
  for (const double slope : line.slopes) packed.push_back(std::log(std::max(slope, kLeastSlope)));
  for (const double knot : line.knots) packed.push_back(std::log(knot));
  return packed;
}

Piecewise unpack(std::span<const double> packed) {
  Piecewise line;
  const std::size_t segments = packed.size() / 2;
  line.latency = std::exp(packed[0]);
  for (std::size_t i = 1; i <= segments; ++i) line.slopes.push_back(std::exp(packed[i]));
  for (std::size_t i = segments + 1; i < packed.size(); ++i)
    line.knots.push_back(std::exp(packed[i]));
  return line;
}

LeastSquares polish_problem(std::span<const FitPoint> points, const Piecewise& line) {
  LeastSquares problem;
  problem.rows = points.size();
  problem.loss_scale = kLossScale;
  problem.residual = [points](std::span<const double> packed, std::size_t row) {
    return std::log(piecewise_seconds(unpack(packed), points[row].inputs.size) /
                    points[row].seconds);
  };
  problem.start = pack(line);
  problem.lower.assign(problem.start.size(), -60);
  problem.upper.assign(problem.start.size(), 60);
  // A knot may move by half a doubling: the search chose its neighbourhood.
  for (std::size_t i = line.slopes.size() + 1; i < problem.start.size(); ++i) {
    problem.lower[i] = problem.start[i] - 0.35;
    problem.upper[i] = problem.start[i] + 0.35;
  }
  return problem;
}

void add_errors(Piecewise& line, std::span<const double> log_errors) {
  line.latency_error = line.latency * log_errors[0];
  line.slope_errors.clear();
  for (std::size_t j = 0; j < line.slopes.size(); ++j)
    line.slope_errors.push_back(line.slopes[j] * log_errors[j + 1]);
}

}  // namespace

double piecewise_seconds(const Piecewise& line, double size) {
  double seconds = line.latency;
  for (std::size_t j = 0; j < line.slopes.size(); ++j)
    seconds += line.slopes[j] * part_in_segment(line.knots, j, size);
  return seconds;
}

Piecewise fit_piecewise(std::span<const FitPoint> points, int segments) {
  if (distinct_sizes(points).size() < 2)
    throw InvalidInput{"a latency/bandwidth line needs at least 2 distinct sizes"};
  auto line = search_knots(points, segments);
  if (line.slopes.empty())
    throw InvalidInput{std::to_string(segments) + " segments need more sizes than there are"};
  const auto solution = solve(polish_problem(points, line));
  if (solution.cost < line.cost) {
    auto polished = unpack(solution.parameters);
    polished.cost = solution.cost;
    if (std::is_sorted(polished.knots.begin(), polished.knots.end())) line = polished;
  }
  add_errors(line, solution.standard_errors);
  return line;
}

int most_segments(std::span<const FitPoint> points) {
  const auto sizes = distinct_sizes(points).size();
  return sizes >= 7 ? 3 : sizes >= 5 ? 2 : 1;
}

}  // namespace moecal::calibration
