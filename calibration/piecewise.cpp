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
#include "calibration/roofline.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.03;      // of log time: about the noise of a good measurement
constexpr double kLeastSlope = 1e-18;    // s/B: a flat segment, in the logarithm of the polish
constexpr double kLeastLatency = 1e-10;  // s
constexpr std::size_t kMostCandidates = 41;
constexpr std::size_t kSearchRows = 200;  // more do not choose other knots
constexpr std::size_t kMostRows = 4000;   // more do not sharpen six parameters

/// A line whose cost is this many times the best one's after two steps hardly ever becomes the
/// best, and neither does one that the screen ranks lower than this: on 100 fits to public curves
/// the cost comes to within 1 % of that of an exhaustive search in 95, without spikes or with.
constexpr double kHopeless = 1.3;
/// After the first step a line is given up at more: that step knows nothing yet of spikes. On 240
/// fits to public curves this changed none.
constexpr double kHopelessAtFirst = 2;
constexpr std::size_t kMostFitted = 250;

/// Two knots beside one size can move together: with 1e-12 they moved by some millionths of
/// themselves from one processor to another.
constexpr double kLeastDamping = 1e-9;
constexpr std::size_t kMostKnots = kMostLinear - 2;

/// Ascending. A search makes hundreds: they take no memory of their own.
class Knots {
 public:
  Knots() = default;
  Knots(std::initializer_list<double> knots) : Knots{std::span{knots.begin(), knots.size()}} {}
  explicit Knots(std::span<const double> knots) : count_{knots.size()} {
    std::copy(knots.begin(), knots.end(), values_.begin());
  }
  operator std::span<const double>() const { return std::span{values_}.first(count_); }
  [[nodiscard]] std::size_t size() const { return count_; }
  double operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] auto begin() const { return values_.begin(); }
  [[nodiscard]] auto end() const { return values_.begin() + static_cast<std::ptrdiff_t>(count_); }

 private:
  std::array<double, kMostKnots> values_{};
  std::size_t count_ = 0;
};

double part_in_segment(std::span<const double> knots, std::size_t segment, double size) {
  const double from = segment == 0 ? 0 : knots[segment - 1];
  const double to =
      segment < knots.size() ? knots[segment] : std::numeric_limits<double>::infinity();
  return std::clamp(size, from, std::max(from, to)) - from;
}

/// With its knots given the line is linear in its other parameters: re-weighted least squares.
/// Sizes ascend, so that the points of a segment are neighbours, and sums over each segment make up
/// the system: a point costs as much with three segments as with one.
class LineAtKnots {
 public:
  explicit LineAtKnots(std::span<const FitPoint> points) : predicted_(points.size()) {
    for (const auto& [inputs, seconds] : points)
      points_.push_back({inputs.size, seconds, 1 / (seconds * seconds)});
  }

  /// A latency, and a slope of each segment.
  using Row = std::array<double, kMostLinear>;
  struct Line {
    Row numbers{};
    double cost = std::numeric_limits<double>::infinity();
  };

  /// The best line, or a poor one where it is soon seen not to come below `to_beat`.
  Line fit(const Knots& knots, double to_beat) {
    start(knots);
    Line best;
    for (int iteration = 0; iteration < 12; ++iteration) {
      const auto line = step(iteration == 0);
      const double hopeless = (iteration == 0 ? kHopelessAtFirst : kHopeless) * to_beat;
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      const double now = is_surely_above(hopeless, line) ? kInfinity : predict(line, hopeless);
      const bool settled = !(now < best.cost * (1 - 1e-5));
      if (now < best.cost) best = {line, now};
      if (!std::isfinite(now) || (settled && iteration > 2)) break;
      if (now > hopeless) break;
    }
    return best;
  }

 private:
  static constexpr double kHalf = 0.5 * kLossScale * kLossScale;  // of a sum of logarithms: a cost

  struct Point {
    double size, seconds;
    double first_weight;  // in a first step, which is linearised at the point itself
  };
  struct Predicted {
    double seconds, residual;
  };
  struct Segment {
    double from = 0, length = 0;     // bytes; the last has no length
    std::size_t first = 0, end = 0;  // of its points
  };
  /// Over the points of a segment, of weights w, parts p = size - from and targets r.
  struct Sums {
    double w = 0, wp = 0, wpp = 0, wr = 0, wpr = 0;
  };

  void start(const Knots& knots) {
    count_ = knots.size() + 1;
    std::size_t at = 0;
    for (std::size_t j = 0; j < count_; ++j) {
      const bool last = j == knots.size();
      auto& segment = segments_[j];
      segment = {j == 0 ? 0 : knots[j - 1], 0, at, points_.size()};
      if (last) break;
      segment.length = knots[j] - segment.from;
      while (at < points_.size() && points_[at].size <= knots[j]) ++at;
      segment.end = at;
    }
  }

  static double weight_of(const Predicted& predicted) {
    const double scaled = predicted.residual / kLossScale;
    return 1 / ((1 + scaled * scaled) * predicted.seconds * predicted.seconds);
  }

  /// Of one Gauss-Newton step on log(predicted / measured), linearised at the prediction.
  [[nodiscard]] Sums sums_of(const Segment& segment, bool first) const {
    Sums sums;
    for (std::size_t r = segment.first; r < segment.end; ++r) {
      const auto [at, residual] = first ? Predicted{points_[r].seconds, 0} : predicted_[r];
      const double w = first ? points_[r].first_weight : weight_of(predicted_[r]);
      const double p = points_[r].size - segment.from;
      const double wp = w * p, target = at * (1 - residual);
      sums.w += w;
      sums.wp += wp;
      sums.wpp += wp * p;
      sums.wr += w * target;
      sums.wpr += wp * target;
    }
    return sums;
  }

  [[nodiscard]] Row step(bool first) const {
    SmallSystem system;
    system.size = count_ + 1;
    auto& matrix = system.matrix;
    for (std::size_t j = 0; j < count_; ++j) {
      const auto sums = sums_of(segments_[j], first);
      // A point here is 1, the whole length of every segment before, and its part of this one.
      Row whole{1};
      for (std::size_t i = 0; i < j; ++i) whole[i + 1] = segments_[i].length;
      for (std::size_t i = 0; i <= j; ++i) {
        for (std::size_t k = 0; k <= i; ++k) matrix[i][k] += whole[i] * whole[k] * sums.w;
        matrix[j + 1][i] += whole[i] * sums.wp;
        system.right[i] += whole[i] * sums.wr;
      }
      matrix[j + 1][j + 1] += sums.wpp;
      system.right[j + 1] += sums.wpr;
    }
    return solve_non_negative(system);
  }

  /// Whether a line's cost is above this, where a bound without a logarithm can tell: |log x| is at
  /// least |x - 1| / max(x, 1). Most lines of a search end here.
  [[nodiscard]] bool is_surely_above(double cost, const Row& line) const {
    const double most = std::exp(cost / kHalf * (1 + 1e-9));  // of the product; with room to round
    if (!(most < 1e300)) return false;
    double product = 1, base = line[0];
    for (std::size_t j = 0; j < count_; ++j) {
      const auto& segment = segments_[j];
      for (std::size_t r = segment.first; r < segment.end; ++r) {
        const auto& point = points_[r];
        const double at = base + line[j + 1] * (point.size - segment.from);
        const double scaled = (at - point.seconds) / (std::max(at, point.seconds) * kLossScale);
        product *= 1 + scaled * scaled;
        if (!(at > 0) || product > most) return true;
      }
      base += line[j + 1] * segment.length;
    }
    return false;
  }

  /// The cost of a line; infinite where it is not positive, or seen to come above `hopeless` before
  /// all points were asked: the cost only grows from point to point.
  double predict(const Row& line, double hopeless) {
    double cost = 0, product = 1, base = line[0];
    for (std::size_t j = 0; j < count_; ++j) {
      const auto& segment = segments_[j];
      for (std::size_t r = segment.first; r < segment.end; ++r) {
        const double at = base + line[j + 1] * (points_[r].size - segment.from);
        if (!(at > 0)) return std::numeric_limits<double>::infinity();
        predicted_[r] = {at, std::log(at / points_[r].seconds)};
        const double scaled = predicted_[r].residual / kLossScale;
        product *= 1 + scaled * scaled;
        // A logarithm of eight factors in the place of eight logarithms.
        if (r % 8 != 7) continue;
        cost += std::log(std::exchange(product, 1));
        if (kHalf * cost > hopeless) return std::numeric_limits<double>::infinity();
      }
      base += line[j + 1] * segment.length;
    }
    return kHalf * (cost + std::log(product));
  }

  std::vector<Point> points_;
  std::vector<Predicted> predicted_;
  std::array<Segment, kMostLinear - 1> segments_;
  std::size_t count_ = 0;
};

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
  problem.loss_scale = kLossScale;
  problem.least_damping = kLeastDamping;
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
