// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/grouped_gemms.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.1;
constexpr std::size_t kMostRows = 1500;
constexpr std::size_t kScoutRows = 300;  // a start is tried on these before all rows polish it

struct Shape {
  std::string_view name, unit;
  double low, high;      // bounds
  double prior, spread;  // of the logarithm; the pull is weak
  bool of_layers_only = false;
};

enum Index { kT0, kE1, kCk, kCa, kTile, kB0, kE2, kQ, kE3, kE4, kE5, kCount };

/// All parameters are fitted as logarithms. t0's prior is set from the data.
constexpr std::array<Shape, kCount> kShapes{{{"t0", "s", 1e-9, 1.0, 1e-6, 3},
                                             {"e1", "1", 0.5, 100, 1.5, 0.7},
                                             {"ck", "1", 1e-2, 1e5, 200, 2},
                                             {"ca", "1", 1, 1e8, 7e5, 1.5},
                                             {"tile", "1", 0.01, 1.5, 0.5, 1},
                                             {"b0", "B", 1, 1e9, 1e6, 3},
                                             {"e2", "1", 0.5, 100, 1.3, 0.7},
                                             {"q", "1", 1, 20, 2, 1},
                                             {"e3", "1", 0.05, 100, 1.5, 1, true},
                                             {"e4", "s", 1e-11, 1e-4, 1e-8, 3},
                                             {"e5", "s", 1e-13, 1e-6, 1e-9, 3, true}}};

using Values = std::array<double, kCount>;

/// One grouped GEMM's time with what its slopes need.
struct Product {
  double arithmetic = 0, memory = 0, joined = 0;
  double area_share = 0;  // of the under-filled part in the arithmetic
  double k_share = 0, b0_share = 0;
};

double padded_rows(const GroupedInputs& g, double tile) {
  return std::pow(g.padded_16, 1 - tile) * std::pow(g.padded_128, tile);
}

Product product_of(const Values& p, const ReferenceRates& rates, const GroupedInputs& g,
                   const ExpertProduct& shape) {
  Product product;
  const double rows = padded_rows(g, p[kTile]);
  const double area = p[kCa] / (rows * shape.n);
  product.arithmetic =
      2 * rows * shape.n * shape.k / rates.flops * p[kE1] * (1 + p[kCk] / shape.k) * (1 + area);
  const double weights = g.active * shape.n * shape.k * g.weight_size;
  product.memory = (weights + p[kB0]) / rates.memory * p[kE2];
  const double larger = std::max(product.arithmetic, product.memory);
  const double smaller = std::min(product.arithmetic, product.memory);
  product.joined = larger * std::pow(1 + std::pow(smaller / larger, p[kQ]), 1 / p[kQ]);
  product.area_share = area / (1 + area);
  product.k_share = p[kCk] / (shape.k + p[kCk]);
  product.b0_share = p[kB0] / (weights + p[kB0]);
  return product;
}

struct Parts {
  std::array<Product, 2> products{};
  double moving = 0, total = 0;
};

Parts parts_of(const Values& p, const ReferenceRates& rates, const GroupedInputs& g) {
  Parts parts;
  parts.moving = g.moved / rates.memory * p[kE3];
  parts.total = p[kT0] + parts.moving + p[kE4] * g.experts + p[kE5] * g.tokens;
  if (g.rows <= 0) return parts;
  for (std::size_t i = 0; i < 2; ++i) {
    if (g.products[i].n <= 0) continue;
    parts.products[i] = product_of(p, rates, g, g.products[i]);
    parts.total += parts.products[i].joined;
  }
  return parts;
}

/// Derivatives of log t by the logarithms of the parameters.
void slopes_of(const Values& p, const Parts& parts, const GroupedInputs& g,
               std::span<double> slopes) {
  std::fill(slopes.begin(), slopes.end(), 0);
  slopes[kT0] = p[kT0] / parts.total;
  slopes[kE3] = parts.moving / parts.total;
  slopes[kE4] = p[kE4] * g.experts / parts.total;
  slopes[kE5] = p[kE5] * g.tokens / parts.total;
  for (const auto& product : parts.products) {
    if (product.joined <= 0) continue;
    const double share = product.joined / parts.total;
    const double by_arithmetic = std::pow(product.arithmetic / product.joined, p[kQ]);
    const double arithmetic = share * by_arithmetic, memory = share * (1 - by_arithmetic);
    slopes[kE1] += arithmetic;
    slopes[kCk] += arithmetic * product.k_share;
    slopes[kCa] += arithmetic * product.area_share;
    slopes[kTile] +=
        arithmetic * (1 - product.area_share) * p[kTile] * std::log(g.padded_128 / g.padded_16);
    slopes[kB0] += memory * product.b0_share;
    slopes[kE2] += memory;
    slopes[kQ] +=
        share * (by_arithmetic * std::log(product.arithmetic) +
                 (1 - by_arithmetic) * std::log(product.memory) - std::log(product.joined));
  }
}

Values values_of(const Model& model) {
  Values values{};
  for (std::size_t i = 0; i < kCount; ++i) values[i] = parameter_or(model, kShapes[i].name, 0);
  return values;
}

double seconds(const Model& model, const Inputs& inputs) {
  return parts_of(values_of(model), reference_rates(model), inputs.grouped).total;
}

std::unique_ptr<PreparedForm> prepare_grouped(const Model& model) {
  return prepared_function(
      [values = values_of(model), rates = reference_rates(model)](const Inputs& call) {
        return parts_of(values, rates, call.grouped).total;
      });
}

/// Where another fit ended; at its prior what only layers have and that fit lacked.
std::vector<double> logs_of(const Model& model) {
  std::vector<double> logs;
  for (const auto& shape : kShapes)
    logs.push_back(std::log(parameter_or(model, shape.name, shape.prior)));
  return logs;
}

double prior_pull(std::size_t which) { return 0.1 * kLossScale / kShapes[which].spread; }

Values values_of(std::span<const double> logs) {
  Values values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::exp(logs[i]);
  return values;
}

LeastSquares problem_of(std::span<const FitPoint> rows, const ReferenceRates& rates) {
  LeastSquares problem;
  problem.rows = rows.size() + kCount;
  problem.loss_scale = kLossScale;
  problem.evaluate_all = [rows, &rates](std::span<const double> logs, std::span<double> residuals,
                                        std::span<double> slopes) {
    const auto values = values_of(logs);
    std::fill(slopes.begin(), slopes.end(), 0);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto& grouped = rows[row].inputs.grouped;
      const auto parts = parts_of(values, rates, grouped);
      residuals[row] = std::log(parts.total / rows[row].seconds);
      if (!slopes.empty()) slopes_of(values, parts, grouped, slopes.subspan(row * kCount, kCount));
    }
    for (std::size_t i = 0; i < kCount; ++i) {
      residuals[rows.size() + i] = prior_pull(i) * (logs[i] - std::log(kShapes[i].prior));
      if (!slopes.empty()) slopes[(rows.size() + i) * kCount + i] = prior_pull(i);
    }
  };
  for (const auto& shape : kShapes) {
    problem.lower.push_back(std::log(shape.low));
    problem.upper.push_back(std::log(shape.high));
    problem.start.push_back(std::log(shape.prior));
  }
  double least = std::numeric_limits<double>::infinity();
  for (const auto& row : rows) least = std::min(least, row.seconds);
  problem.start[kT0] = std::log(0.5 * least);
  return problem;
}

std::vector<double> scout(std::span<const FitPoint> points, const ReferenceRates& rates) {
  const auto rows = thin(points, kScoutRows);
  auto problem = problem_of(rows, rates);
  LeastSquaresSolution best;
  best.cost = std::numeric_limits<double>::infinity();
  for (const double corner : {1.5, 6.0}) {
    problem.start[kQ] = std::log(corner);
    auto solution = solve(problem);
    if (solution.cost < best.cost) best = std::move(solution);
  }
  return best.parameters;
}

}  // namespace

Form grouped_gemms_form() {
  Form form{"grouped_gemms", {}, seconds, prepare_grouped};
  for (const auto& shape : kShapes)
    form.parameters.push_back({shape.name, shape.unit, !shape.of_layers_only});
  for (const auto& spec : rate_specs()) form.parameters.push_back(spec);
  return form;
}

Model fit_grouped_gemms(std::span<const FitPoint> points, const ReferenceRates& rates,
                        const Model* from) {
  if (points.size() < kGroupedGemmsPoints)
    throw InvalidInput{"the form of grouped GEMMs needs at least " +
                       std::to_string(kGroupedGemmsPoints) + " points"};
  const auto rows = thin(points, kMostRows);
  const bool layers = std::any_of(rows.begin(), rows.end(), [](const FitPoint& point) {
    return point.inputs.grouped.moved > 0;
  });
  auto problem = problem_of(rows, rates);
  problem.start = from != nullptr ? logs_of(*from) : scout(points, rates);
  const auto solution = solve(problem);
  Model model;
  model.form = "grouped_gemms";
  for (std::size_t i = 0; i < kCount; ++i) {
    if (kShapes[i].of_layers_only && !layers) continue;
    const double value = std::exp(solution.parameters[i]);
    model.parameters.push_back({std::string{kShapes[i].name}, value, std::string{kShapes[i].unit},
                                value * solution.standard_errors[i]});
  }
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
