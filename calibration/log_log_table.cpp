// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/log_log_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "calibration/array_math.hpp"
#include "calibration/row_finder.hpp"
#include "calibration/switches.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

using Table = std::vector<std::pair<double, double>>;

/// Secant slope of log time over log size between rows i and i + 1.
double secant(const Table& table, std::size_t i) {
  return std::log(table[i + 1].second / table[i].second) /
         std::log(table[i + 1].first / table[i].first);
}

/// Slope at row i: the weighted harmonic mean of its secants (the nearer row's weighs more: w1 is
/// of the secant before, w2 of that after), 0 at a turning point, the end secant at an end. With
/// these slopes the curve never overshoots a row.
double slope(const Table& table, std::size_t i) {
  if (i == 0) return secant(table, 0);
  if (i + 1 == table.size()) return secant(table, i - 1);
  const double before = secant(table, i - 1), after = secant(table, i);
  if (before * after <= 0) return 0;
  const double left = std::log(table[i].first / table[i - 1].first);
  const double right = std::log(table[i + 1].first / table[i].first);
  const double w1 = 2 * right + left, w2 = right + 2 * left;
  return (w1 + w2) / (w1 / before + w2 / after);
}

/// The cubic of x, the place between two rows from 0 to 1 in log size, that goes through both logs
/// of time with their slopes, d0 and d1 (of x).
double interpolate(const Table& table, double size) {
  const auto after = std::upper_bound(table.begin(), table.end(), size,
                                      [](double s, const auto& row) { return s < row.first; });
  const auto i = static_cast<std::size_t>(after - table.begin()) - 1;
  const double width = std::log(table[i + 1].first / table[i].first);
  const double x = std::log(size / table[i].first) / width;
  const double low = std::log(table[i].second), high = std::log(table[i + 1].second);
  const double d0 = slope(table, i) * width, d1 = slope(table, i + 1) * width;
  const double x2 = x * x, x3 = x2 * x;
  return std::exp((2 * x3 - 3 * x2 + 1) * low + (x3 - 2 * x2 + x) * d0 + (3 * x2 - 2 * x3) * high +
                  (x3 - x2) * d1);
}

double seconds(const Model& model, const Inputs& inputs) {
  const auto& table = model.table;
  if (table.empty()) throw InvalidInput{"model '" + model.id + "' has an empty point table"};
  const double size = inputs.size;
  if (size <= table.front().first) return table.front().second;
  if (size >= table.back().first) return table.back().second * size / table.back().first;
  return interpolate(table, size);
}

/// The same as c0 + c1 u + c2 u^2 + c3 u^3 of u, the log of how far a size is past the first row.
struct Cubic {
  double log_size, c0, c1, c2, c3;
};

Cubic cubic_at(const Table& table, std::size_t i) {
  const double width = std::log(table[i + 1].first / table[i].first);
  const double d0 = slope(table, i), d1 = slope(table, i + 1), rise = secant(table, i);
  return {std::log(table[i].first), std::log(table[i].second), d0, (3 * rise - 2 * d0 - d1) / width,
          (d0 + d1 - 2 * rise) / (width * width)};
}

class PreparedTable final : public PreparedCurve {
 public:
  explicit PreparedTable(const Table& table) : first_{table.front()}, last_{table.back()} {
    std::vector<double> begins;
    for (std::size_t i = 0; i + 1 < table.size(); ++i) {
      cubics_.push_back(cubic_at(table, i));
      begins.push_back(table[i].first);
    }
    finder_ = RowFinder{std::move(begins)};
  }

  void seconds(std::span<const Inputs> calls, std::span<double> seconds) const override {
    constexpr std::size_t kBlock = 256;
    std::array<double, kBlock> sizes, logs;
    for (std::size_t from = 0; from < calls.size(); from += kBlock) {
      const std::size_t count = std::min(kBlock, calls.size() - from);
      const auto block = std::span{logs}.first(count);
      for (std::size_t i = 0; i < count; ++i) sizes[i] = calls[from + i].size;
      logarithms(std::span{sizes}.first(count), block);
      seconds_at({std::span{sizes}.first(count), block}, seconds.subspan(from, count));
    }
  }

  void seconds_at(const WithLogarithms& sizes, std::span<double> seconds) const override {
    for (std::size_t i = 0; i < seconds.size(); ++i)
      seconds[i] = log_seconds(sizes.values[i], sizes.logs[i]);
    exponentials(seconds, seconds);
    for (std::size_t i = 0; i < seconds.size(); ++i)
      if (!is_inside(sizes.values[i])) seconds[i] = outside(sizes.values[i]);
  }

 private:
  [[nodiscard]] bool is_inside(double size) const {
    return size > first_.first && size < last_.first;
  }
  [[nodiscard]] double outside(double size) const {
    return size <= first_.first ? first_.second : last_.second * size / last_.first;
  }
  [[nodiscard]] double log_seconds(double size, double log_size) const {
    if (!is_inside(size)) return 0;
    const auto& c = cubics_[finder_.row(size)];
    const double u = log_size - c.log_size;
    return c.c0 + u * (c.c1 + u * (c.c2 + u * c.c3));
  }

  std::pair<double, double> first_, last_;
  std::vector<Cubic> cubics_;
  RowFinder finder_;  // of the cubics
};

std::unique_ptr<PreparedForm> prepare_table(const Model& model) {
  if (model.table.empty()) throw InvalidInput{"model '" + model.id + "' has an empty point table"};
  return std::make_unique<PreparedTable>(model.table);
}

}  // namespace

Form log_log_table_form() {
  return {"log_log_table", {{"last_rate_spread", "1", false}}, seconds, prepare_table};
}

Form pooled_curve_form() {
  return {"pooled_curve", {{"last_rate_spread", "1", false}}, seconds, prepare_table};
}

Model fit_log_log_table(std::span<const FitPoint> points) {
  if (points.empty()) throw InvalidInput{"a point table needs at least one point"};
  std::map<double, std::vector<double>> by_size;
  for (const auto& point : points) by_size[point.inputs.size].push_back(point.seconds);
  Model model;
  model.form = "log_log_table";
  for (const auto& [size, seconds] : by_size) model.table.emplace_back(size, median(seconds));
  for (const auto& found : switches_of(model.table)) model.knots.push_back(found.middle());
  return model;
}

}  // namespace moecal::calibration
