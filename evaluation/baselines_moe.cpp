// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/baselines_moe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "core/statistics.hpp"

namespace moecal::evaluation {
namespace {

using calibration::FitPoint;
using calibration::Inputs;
using calibration::ReferenceRates;
using SecondsOf = std::function<double(const Inputs&)>;

/// A time from the spec sheet, times the factor that is right for half of the seen rows.
SecondsOf scaled(const std::vector<FitPoint>& seen, const SecondsOf& nominal) {
  std::vector<double> factors;
  for (const auto& point : seen) factors.push_back(point.seconds / nominal(point.inputs));
  return [nominal, factor = median(factors)](const Inputs& x) { return factor * nominal(x); };
}

SecondsOf arithmetic(const ReferenceRates& rates) {
  return [rates](const Inputs& x) { return x.flops / rates.flops; };
}

/// All rows through matrices as large as the weights that are read, then the rows moved.
SecondsOf dense_gemms(const ReferenceRates& rates) {
  return [rates](const Inputs& x) {
    const auto& g = x.grouped;
    double seconds = g.moved / rates.memory;
    for (const auto& product : g.products)
      seconds += std::max(2 * g.rows * product.n * product.k / rates.flops,
                          g.active * product.n * product.k * g.weight_size / rates.memory);
    return seconds;
  };
}

SecondsOf roofline(const std::vector<FitPoint>& seen, const ReferenceRates& rates) {
  return [model = fit_roofline(seen, rates)](const Inputs& x) {
    return calibration::evaluate(model, x);
  };
}

using Coordinates = std::array<double, 5>;

/// Where a row lies: doublings of everything a table is searched by.
Coordinates coordinates_of(const Inputs& x) {
  const auto& g = x.grouped;
  return {std::log2(g.tokens), std::log2(g.rows), std::log2(g.experts), std::log2(g.products[0].n),
          std::log2(g.products[0].k)};
}

struct Neighbour {
  double distance = std::numeric_limits<double>::infinity();
  double utilisation = 0;
};

/// Rows of a table with the share of the nominal rates that each reached.
class Table {
 public:
  Table(const std::vector<FitPoint>& seen, SecondsOf nominal) : nominal_{std::move(nominal)} {
    for (const auto& point : seen)
      rows_.push_back({coordinates_of(point.inputs), nominal_(point.inputs) / point.seconds});
  }

  [[nodiscard]] double seconds(const Inputs& x) const {
    const auto nearest = nearest_two(coordinates_of(x));
    double utilisation = 0, weights = 0;
    for (const auto& neighbour : nearest) {
      if (!std::isfinite(neighbour.distance)) continue;
      const double weight = 1 / (std::sqrt(neighbour.distance) + 1e-6);
      utilisation += weight * neighbour.utilisation;
      weights += weight;
    }
    return nominal_(x) * weights / utilisation;
  }

 private:
  struct Row {
    Coordinates at;
    double utilisation;
  };

  [[nodiscard]] std::array<Neighbour, 2> nearest_two(const Coordinates& at) const {
    std::array<Neighbour, 2> nearest;
    for (const auto& row : rows_) {
      double distance = 0;
      for (std::size_t i = 0; i < at.size(); ++i)
        distance += (row.at[i] - at[i]) * (row.at[i] - at[i]);
      if (distance >= nearest[1].distance) continue;
      nearest[1] = {distance, row.utilisation};
      if (nearest[1].distance < nearest[0].distance) std::swap(nearest[0], nearest[1]);
    }
    return nearest;
  }

  SecondsOf nominal_;
  std::vector<Row> rows_;
};

}  // namespace

std::vector<LayerBaseline> baselines_of_layers(const std::vector<FitPoint>& seen,
                                               const ReferenceRates& rates) {
  const auto table = std::make_shared<const Table>(seen, dense_gemms(rates));
  return {
      {"baseline: flat efficiency", scaled(seen, arithmetic(rates))},
      {"baseline: two dense GEMMs and permute", scaled(seen, dense_gemms(rates))},
      {"baseline: roofline", roofline(seen, rates)},
      {"baseline: 2-nearest utilisation", [table](const Inputs& x) { return table->seconds(x); }}};
}

}  // namespace moecal::evaluation
