// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/tile_wave.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "calibration/log_fit.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

enum Which { kT0, kE1, kE2, kE3, kB0, kK0, kF, kE4, kQ, kU, kA, kCount };

constexpr std::array<LogParameter, kCount> kParameters{{{"t0", "s", 1e-9, 1.0, 2e-6, 3},
                                                        {"e1", "1", 0.5, 20, 1.3, 0.7},
                                                        {"e2", "1", 0.5, 20, 1.3, 0.7},
                                                        {"e3", "B", 1e-3, 50, 0.5, 2},
                                                        {"b0", "B", 1, 1e9, 1e6, 3},
                                                        {"k0", "1", 1, 1e5, 200, 2},
                                                        {"f", "1", 0.01, 1, 0.5, 1},
                                                        {"e4", "1", 0.01, 1e3, 1, 2},
                                                        {"q", "1", 1, 30, 3, 1},
                                                        {"u", "1", 1e-3, 10, 0.1, 1.5},
                                                        {"a", "B", 1e-3, 50, 0.1, 2}}};

constexpr std::array<int, 3> kTileSides{64, 128, 256};
constexpr std::array<int, 2> kMostSplits{1, 8};  // a library splits k, or never does
constexpr double kSumBytes = 4;                  // partial sums are F32

/// What does not change while a form is fitted.
struct Machine {
  ReferenceRates rates;
  int most_splits;
};

double tiles(double extent, int tile) {
  return static_cast<double>((static_cast<std::int64_t>(extent) + tile - 1) / tile);
}

double ceiling(double x) {
  const auto whole = static_cast<double>(static_cast<std::int64_t>(x));
  return whole < x ? whole + 1 : whole;
}

/// One way to run the product, by the parts of its time.
struct Way {
  double seconds = std::numeric_limits<double>::infinity();
  double arithmetic = 0, operands = 0;  // of `seconds`, with k0
  double start = 0;                     // of `seconds`, what k0 adds
  double lost = 0;                      // of `seconds`, the unfilled share of the last wave
  double tail = 0;                      // of `seconds`, what empty rows of the last tiles add
  double sums = 0;                      // of `seconds`, adding up split sums
};

/// The card and the parameters, as seconds.
struct Costs {
  double multiprocessors, per_multiply, per_side, per_sum;
  int most_splits;
};

Costs costs_of(std::span<const double> p, const Machine& machine) {
  const auto& rates = machine.rates;
  return {rates.multiprocessors, 2 * rates.multiprocessors / rates.flops * p[kE1],
          rates.multiprocessors / rates.memory * p[kE3], kSumBytes / rates.memory * p[kE4],
          machine.most_splits};
}

/// Keeps the faster of `best` and the splits of tiles of tm rows and tn columns.
void try_tile(std::span<const double> p, const Costs& costs, const Inputs& inputs,
              std::pair<int, int> tile, Way& best) {
  const auto [tm, tn] = tile;
  const double rows = tiles(inputs.m, tm);
  const double count = rows * tiles(inputs.n, tn) / costs.multiprocessors;
  const double arithmetic = tm * tn * costs.per_multiply, operands = (tm + tn) * costs.per_side;
  const double tail = rows > 1 ? p[kU] * (rows - inputs.m / tm) : 0;
  for (int split = 1; split <= costs.most_splits; split *= 2) {
    const double w = count * split, full = std::max(1.0, w);
    const double lost = p[kF] * (ceiling(w) - full), waves = full + lost + tail;
    const double depth = inputs.k / split + p[kK0];
    const double sums = split > 1 ? costs.per_sum * inputs.m * inputs.n * split : 0;
    const double step = (arithmetic + operands) * depth;
    if (waves * step + sums >= best.seconds) continue;
    best = {waves * step + sums,
            waves * arithmetic * depth,
            waves * operands * depth,
            waves * (arithmetic + operands) * p[kK0],
            lost * step,
            tail * step,
            sums};
  }
}

Way fastest_way(std::span<const double> p, const Machine& machine, const Inputs& inputs) {
  const Costs costs = costs_of(p, machine);
  Way best;
  for (const int tm : kTileSides)
    for (const int tn : kTileSides) try_tile(p, costs, inputs, {tm, tn}, best);
  return best;
}

double log_seconds(std::span<const double> p, const Machine& machine, const Inputs& inputs,
                   std::span<double> slopes) {
  const Way way = fastest_way(p, machine, inputs);
  const double memory = (inputs.bytes + p[kB0]) / machine.rates.memory * p[kE2];
  const double joined = smooth_max(way.seconds, memory, p[kQ]);
  const double cast = p[kA] * inputs.m * inputs.k / machine.rates.memory;
  const double total = p[kT0] + joined + cast;
  if (slopes.empty()) return std::log(total);
  const double share = joined / total;
  const double by_compute = std::pow(way.seconds / joined, p[kQ]), by_memory = 1 - by_compute;
  const double compute = share * by_compute / way.seconds;
  slopes[kT0] = p[kT0] / total;
  slopes[kA] = cast / total;
  slopes[kE1] = compute * way.arithmetic;
  slopes[kE2] = share * by_memory;
  slopes[kE3] = compute * way.operands;
  slopes[kB0] = share * by_memory * p[kB0] / (inputs.bytes + p[kB0]);
  slopes[kK0] = compute * way.start;
  slopes[kF] = compute * way.lost;
  slopes[kE4] = compute * way.sums;
  slopes[kQ] =
      share * (by_compute * std::log(way.seconds / joined) + by_memory * std::log(memory / joined));
  slopes[kU] = compute * way.tail;
  return std::log(total);
}

Machine machine_of(const Model& model) {
  Machine machine{reference_rates(model), static_cast<int>(parameter(model, "splits"))};
  machine.rates.multiprocessors = parameter(model, "multiprocessors");
  return machine;
}

std::array<double, kCount> values_of(const Model& model) {
  std::array<double, kCount> values{};
  for (std::size_t i = 0; i < kA; ++i) values[i] = parameter(model, kParameters[i].name);
  values[kA] = parameter_or(model, "a", 0);  // files of before this parameter
  return values;
}

double seconds(const Model& model, const Inputs& inputs) {
  return std::exp(log_seconds(values_of(model), machine_of(model), inputs, {}));
}

std::unique_ptr<PreparedForm> prepare_tile_wave(const Model& model) {
  return prepared_function(
      [values = values_of(model), machine = machine_of(model)](const Inputs& inputs) {
        return std::exp(log_seconds(values, machine, inputs, {}));
      });
}

LogFit fit_of(std::span<const FitPoint> points, const Machine& machine) {
  return {
      kParameters,
      [machine](std::span<const double> values, const Inputs& inputs, std::span<double> slopes) {
        return log_seconds(values, machine, inputs, slopes);
      },
      starts_of(points, kParameters, {{0.2, 0.9}, {1.5, 5.0}, kQ})};
}

}  // namespace

Form tile_wave_form() {
  Form form{"tile_wave", {}, seconds, prepare_tile_wave};
  for (const auto& p : kParameters) form.parameters.push_back({p.name, p.unit, p.name != "a"});
  form.parameters.push_back({"splits", "1"});
  form.parameters.push_back({"multiprocessors", "1"});
  for (const auto& spec : rate_specs()) form.parameters.push_back(spec);
  return form;
}

Model fit_tile_wave(std::span<const FitPoint> points, const ReferenceRates& rates) {
  if (points.size() < kTileWavePoints)
    throw InvalidInput{"a tile/wave form needs at least " + std::to_string(kTileWavePoints) +
                       " points"};
  if (!(rates.multiprocessors > 0))
    throw InvalidInput{"a tile/wave form needs the card's number of multiprocessors"};
  ScoutedLogs best;
  int splits = kMostSplits.front();
  for (const int most_splits : kMostSplits) {
    auto scouted = scout_logs(points, fit_of(points, {rates, most_splits}));
    if (scouted.cost >= best.cost) continue;
    best = std::move(scouted);
    splits = most_splits;
  }
  Model model;
  model.form = "tile_wave";
  model.parameters = fit_logs(points, fit_of(points, {rates, splits}), best);
  model.parameters.push_back({"splits", static_cast<double>(splits), "1", 0});
  model.parameters.push_back({"multiprocessors", rates.multiprocessors, "1", 0});
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
