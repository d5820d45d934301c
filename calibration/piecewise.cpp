// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/piecewise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "calibration/knot_screen.hpp"
#include "calibration/least_squares.hpp"
#include "calibration/line_at_knots.hpp"
#include "calibration/roofline.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::size_t kMostCandidates = 41;
constexpr std::size_t kSearchRows = 200;  // more do not choose other knots
constexpr std::size_t kMostRows = 4000;   // more do not sharpen six parameters
constexpr std::size_t kMostFitted = 250;

double part_in_segment(std::span<const double> knots, std::size_t segment, double size) {
  const double from = segment == 0 ? 0 : knots[segment - 1];
  const double to =
      segment < knots.size() ? knots[segment] : std::numeric_limits<double>::infinity();
  return std::clamp(size, from, std::max(from, to)) - from;
}

Piecewise with_knots(const LineAtKnots::Line& line, const Knots& knots) {
  Piecewise made;
  made.cost = line.cost;
  if (!std::isfinite(line.cost)) return made;
  made.knots.assign(knots.begin(), knots.end());
  made.latency = line.numbers[0];
  const auto slopes = std::span{line.numbers}.subspan(1, knots.size() + 1);
  made.slopes.assign(slopes.begin(), slopes.end());
  return made;
}

std::vector<FitPoint> by_size(std::span<const FitPoint> points) {
  std::vector<FitPoint> sorted{points.begin(), points.end()};
  std::stable_sort(sorted.begin(), sorted.end(), [](const FitPoint& a, const FitPoint& b) {
    return a.inputs.size < b.inputs.size;
  });
  return sorted;
}

/// Of points that ascend in size.
std::vector<double> distinct_sizes(std::span<const FitPoint> points) {
  std::vector<double> sizes;
  for (const auto& point : points)
    if (sizes.empty() || sizes.back() != point.inputs.size) sizes.push_back(point.inputs.size);
  return sizes;
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
bool each_segment_has_points(const std::vector<double>& sizes, const Knots& knots) {
  auto from = sizes.begin();
  for (const double knot : knots) {
    const auto to = std::upper_bound(from, sizes.end(), knot);
    if (to - from < 2) return false;
    from = *(to - 1) == knot ? to - 1 : to;
  }
  return sizes.end() - from >= 2;
}

/// Every choice of knots that leaves points in each segment.
std::vector<Knots> choices_of_knots(const std::vector<double>& sizes, int segments) {
  if (segments == 1) return {Knots{}};
  std::vector<Knots> all;
  const auto add = [&](const Knots& knots) {
    if (each_segment_has_points(sizes, knots)) all.push_back(knots);
  };
  const auto candidates = candidate_knots(sizes);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (segments == 2) add({candidates[i]});
    for (std::size_t j = i + 1; segments == 3 && j < candidates.size(); ++j)
      add({candidates[i], candidates[j]});
  }
  return all;
}

/// The choices, those first that a line follows the points with best by plain relative squares: a
/// search that meets a good line early soon gives up on the others.
std::vector<Knots> promising_first(std::span<const FitPoint> points,
                                   const std::vector<Knots>& choices) {
  const KnotScreen screen{points};
  std::vector<std::pair<double, std::size_t>> ranked;
  for (std::size_t i = 0; i < choices.size(); ++i) ranked.emplace_back(screen.cost(choices[i]), i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<Knots> ordered;
  ranked.resize(std::min(ranked.size(), kMostFitted));
  for (const auto& [cost, i] : ranked) ordered.push_back(choices[i]);
  return ordered;
}

Piecewise search_knots(std::span<const FitPoint> points, int segments) {
  LineAtKnots line{points};
  LineAtKnots::Line best;
  Knots of_best;
  for (const auto& knots :
       promising_first(points, choices_of_knots(distinct_sizes(points), segments))) {
    const auto found = line.fit(knots, best.cost);
    if (!(found.cost < best.cost)) continue;
    best = found;
    of_best = knots;
  }
  return with_knots(best, of_best);
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

/// Derivatives of log time by the parameters of the polish.
void slopes_of(const Piecewise& line, double size, double seconds, double* slopes) {
  const std::size_t segments = line.slopes.size();
  slopes[0] = line.latency / seconds;
  for (std::size_t j = 0; j < segments; ++j)
    slopes[j + 1] = line.slopes[j] * part_in_segment(line.knots, j, size) / seconds;
  for (std::size_t j = 0; j < line.knots.size(); ++j) {
    const double bend = line.slopes[j] - line.slopes[j + 1];
    slopes[segments + 1 + j] = size > line.knots[j] ? bend * line.knots[j] / seconds : 0;
  }
}

LeastSquares polish_problem(std::span<const FitPoint> points, const Piecewise& line) {
  LeastSquares problem;
  problem.rows = points.size();
  problem.loss_scale = kLineLossScale;
  problem.least_damping = kFirmDamping;
  problem.evaluate_all = [points](std::span<const double> packed, std::span<double> residuals,
                                  std::span<double> slopes) {
    const auto at = unpack(packed);
    for (std::size_t row = 0; row < points.size(); ++row) {
      const double size = points[row].inputs.size, seconds = piecewise_seconds(at, size);
      residuals[row] = std::log(seconds / points[row].seconds);
      if (!slopes.empty()) slopes_of(at, size, seconds, &slopes[row * packed.size()]);
    }
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
  const auto sorted = by_size(points);
  if (distinct_sizes(sorted).size() < 2)
    throw InvalidInput{"a latency/bandwidth line needs at least 2 distinct sizes"};
  const auto rows = thin(sorted, kMostRows);
  const auto searched = thin(rows, kSearchRows);
  auto line = search_knots(searched, segments);
  if (line.slopes.empty())
    throw InvalidInput{std::to_string(segments) + " segments need more sizes than there are"};
  if (rows.size() > kSearchRows) {
    const Knots knots{std::span<const double>{line.knots}};
    line = with_knots(LineAtKnots{rows}.fit(knots, std::numeric_limits<double>::infinity()), knots);
  }
  const auto solution = solve(polish_problem(rows, line));
  if (solution.cost < line.cost) {
    auto polished = unpack(solution.parameters);
    polished.cost = solution.cost;
    if (std::is_sorted(polished.knots.begin(), polished.knots.end())) line = polished;
  }
  add_errors(line, solution.standard_errors);
  return line;
}

int most_segments(std::span<const FitPoint> points) {
  const auto sizes = distinct_sizes(by_size(points)).size();
  return sizes >= 7 ? 3 : sizes >= 5 ? 2 : 1;
}

}  // namespace moecal::calibration
