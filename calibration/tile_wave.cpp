// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/tile_wave.hpp"

#include <Eigen/Core>
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

constexpr std::array<double, 3> kTileSides{64, 128, 256};
constexpr std::size_t kTiles = kTileSides.size() * kTileSides.size();
constexpr std::array<double, 4> kSplits{1, 2, 4, 8};
constexpr std::array<int, 2> kMostSplits{1, 8};  // a library splits k, or never does
constexpr double kSumBytes = 4;                  // partial sums are F32

/// What does not change while a form is fitted.
struct Machine {
  ReferenceRates rates;
  int most_splits;
  /// How many of kSplits it may use.
  [[nodiscard]] std::size_t splits() const { return most_splits > 1 ? kSplits.size() : 1; }
};

double tiles(double extent, double tile) {
  const auto side = static_cast<std::int64_t>(tile);
  return static_cast<double>((static_cast<std::int64_t>(extent) + side - 1) / side);
}

double ceiling(double x) {
  const auto whole = static_cast<double>(static_cast<std::int64_t>(x));
  return whole < x ? whole + 1 : whole;
}

/// Rows of a tile slowest, as kTileSides. One more than there are, so that processors take two at
/// once: it is never the fastest.
using OfTiles = Eigen::Array<double, kTiles + 1, 1>;

/// A call cut into tiles: what no parameter changes.
struct Tiling {
  Tiling() = default;
  Tiling(const Inputs& inputs, const Machine& machine)
      : m{inputs.m}, n{inputs.n}, k{inputs.k}, bytes{inputs.bytes} {
    for (std::size_t tile = 0; tile < kTiles; ++tile) {
      const double tm = kTileSides[tile / kTileSides.size()];
      const double tn = kTileSides[tile % kTileSides.size()];
      const double rows = tiles(m, tm);
      waves[tile] = rows * tiles(n, tn) / machine.rates.multiprocessors;
      empty[tile] = rows > 1 ? rows - m / tm : 0;
      for (std::size_t s = 0; s < machine.splits(); ++s) {
        const double w = waves[tile] * kSplits[s];
        unfilled[s][tile] = ceiling(w) - std::max(1.0, w);
      }
    }
  }

  double m = 0, n = 0, k = 0, bytes = 0;
  OfTiles waves = OfTiles::Zero();                     // unsplit
  OfTiles empty = OfTiles::Zero();                     // rows of tiles without a row of the product
  std::array<OfTiles, kSplits.size()> unfilled = [] {  // of the last wave
    std::array<OfTiles, kSplits.size()> none;
    none.fill(OfTiles::Zero());
    return none;
  }();
};

/// The card and the parameters, as seconds.
struct Costs {
  Costs(std::span<const double> p, const Machine& machine) {
    const auto& rates = machine.rates;
    const double multiply = 2 * rates.multiprocessors / rates.flops * p[kE1];
    const double side = rates.multiprocessors / rates.memory * p[kE3];
    sum = kSumBytes / rates.memory * p[kE4];
    for (std::size_t tile = 0; tile < kTiles; ++tile) {
      const double tm = kTileSides[tile / kTileSides.size()];
      const double tn = kTileSides[tile % kTileSides.size()];
      arithmetic[tile] = tm * tn * multiply;
      operands[tile] = (tm + tn) * side;
    }
  }

  OfTiles arithmetic = OfTiles::Constant(std::numeric_limits<double>::infinity());
  OfTiles operands = OfTiles::Zero();  // both of a tile and an element of k
  double sum = 0;                      // of an element of the product and a split
};

/// One way to run the product: its tile, how often k is split, and its time.
struct Way {
  std::size_t tile = 0, split = 0;
  double seconds = 0;
};

double depth_of(std::span<const double> p, const Tiling& call, std::size_t split) {
  return call.k / kSplits[split] + p[kK0];
}

double sums_of(const Costs& costs, const Tiling& call, std::size_t split) {
  return split > 0 ? costs.sum * call.m * call.n * kSplits[split] : 0;
}

/// The times of all tiles at one split.
OfTiles seconds_of_tiles(std::span<const double> p, const Costs& costs, const Tiling& call,
                         std::size_t split) {
  const double depth = depth_of(p, call, split), sums = sums_of(costs, call, split);
  const OfTiles lost = p[kF] * call.unfilled[split];
  const OfTiles full = (call.waves * kSplits[split]).max(1.0);
  const OfTiles waves = full + lost + p[kU] * call.empty;
  return waves * ((costs.arithmetic + costs.operands) * depth) + sums;
}

/// Of equally fast ways the one of the smallest tile, then of the fewest splits.
Way fastest_way(std::span<const double> p, const Costs& costs, const Tiling& call,
                std::size_t splits) {
  std::array<OfTiles, kSplits.size()> seconds;
  OfTiles fastest = OfTiles::Constant(std::numeric_limits<double>::infinity());
  for (std::size_t split = 0; split < splits; ++split) {
    seconds[split] = seconds_of_tiles(p, costs, call, split);
    fastest = fastest.min(seconds[split]);
  }
  const double least = fastest.minCoeff();
  std::size_t tile = 0, split = 0;
  while (tile + 1 < kTiles && fastest[tile] != least) ++tile;
  while (split + 1 < splits && seconds[split][tile] != least) ++split;
  return {tile, split, least};
}

/// ||way, memory||_q, and what the q-th powers say of each side's share.
struct Join {
  Join(double way, double memory, double q) {
    const double larger = std::max(way, memory), smaller = std::min(way, memory);
    const double log_ratio = std::log(smaller / larger), power = std::exp(q * log_ratio);
    const double log_join = std::log1p(power) / q, smaller_share = power / (1 + power);
    seconds = larger * std::exp(log_join);
    compute_share = way >= memory ? 1 - smaller_share : smaller_share;
    corner = smaller_share * log_ratio - log_join;
  }
  double seconds, compute_share;
  double corner;  // derivative of log(seconds) by log q
};

/// A call's time by its parts.
struct Parts {
  Way way;
  Join joined;
  double cast, total;
};

Parts parts_of(std::span<const double> p, const Machine& machine, const Costs& costs,
               const Tiling& call) {
  const auto way = fastest_way(p, costs, call, machine.splits());
  const double memory = (call.bytes + p[kB0]) / machine.rates.memory * p[kE2];
  const Join joined{way.seconds, memory, p[kQ]};
  const double cast = p[kA] * call.m * call.k / machine.rates.memory;
  return {way, joined, cast, p[kT0] + joined.seconds + cast};
}

/// Derivatives of log(total) by the logarithms of the parameters.
void slopes_of(std::span<const double> p, const Costs& costs, const Tiling& call,
               std::pair<const Parts&, std::span<double>> of) {
  const auto& [parts, slopes] = of;
  const auto [tile, split, seconds] = parts.way;
  const double share = parts.joined.seconds / parts.total;
  const double by_compute = parts.joined.compute_share, by_memory = 1 - by_compute;
  const double compute = share * by_compute / seconds;
  const double depth = depth_of(p, call, split);
  const double lost = p[kF] * call.unfilled[split][tile], tail = p[kU] * call.empty[tile];
  const double waves = std::max(1.0, call.waves[tile] * kSplits[split]) + lost + tail;
  const double arithmetic = costs.arithmetic[tile], operands = costs.operands[tile];
  const double step = (arithmetic + operands) * depth;
  slopes[kT0] = p[kT0] / parts.total;
  slopes[kA] = parts.cast / parts.total;
  slopes[kE1] = compute * waves * arithmetic * depth;
  slopes[kE2] = share * by_memory;
  slopes[kE3] = compute * waves * operands * depth;
  slopes[kB0] = share * by_memory * p[kB0] / (call.bytes + p[kB0]);
  slopes[kK0] = compute * waves * (arithmetic + operands) * p[kK0];
  slopes[kF] = compute * lost * step;
  slopes[kE4] = compute * sums_of(costs, call, split);
  slopes[kQ] = share * parts.joined.corner;
  slopes[kU] = compute * tail * step;
}

Machine machine_of(const Model& model) {
  Machine machine{reference_rates(model), static_cast<int>(parameter(model, "splits"))};
  machine.rates.multiprocessors = parameter(model, "multiprocessors");
  return machine;
}

std::vector<double> values_of(const Model& model) {
  std::vector<double> values(kCount);
  for (std::size_t i = 0; i < kA; ++i) values[i] = parameter(model, kParameters[i].name);
  values[kA] = parameter_or(model, "a", 0);  // files of before this parameter
  return values;
}

double seconds(const Model& model, const Inputs& inputs) {
  const auto machine = machine_of(model);
  const auto values = values_of(model);
  return parts_of(values, machine, {values, machine}, {inputs, machine}).total;
}

std::unique_ptr<PreparedForm> prepare_tile_wave(const Model& model) {
  const auto machine = machine_of(model);
  const auto values = values_of(model);
  return prepared_function([values, machine, costs = Costs{values, machine}](const Inputs& inputs) {
    return parts_of(values, machine, costs, {inputs, machine}).total;
  });
}

/// The rows of a fit, cut into tiles once.
LogSecondsOfRows cut_rows(std::span<const FitPoint> points, const Machine& machine) {
  std::vector<Tiling> calls;
  for (const auto& point : points) calls.emplace_back(point.inputs, machine);
  return [machine, calls = std::move(calls)](
             std::span<const double> p, std::span<double> log_seconds, std::span<double> slopes) {
    const Costs costs{p, machine};
    for (std::size_t row = 0; row < calls.size(); ++row) {
      const auto parts = parts_of(p, machine, costs, calls[row]);
      log_seconds[row] = std::log(parts.total);
      if (!slopes.empty())
        slopes_of(p, costs, calls[row], {parts, slopes.subspan(row * kCount, kCount)});
    }
  };
}

LogFit fit_of(std::span<const FitPoint> points, const Machine& machine, const Model* from) {
  return {kParameters,
          [machine](std::span<const FitPoint> rows) { return cut_rows(rows, machine); },
          from != nullptr ? std::vector<std::vector<double>>{values_of(*from)}
                          : starts_of(points, kParameters, {{0.2, 0.9}, {1.5, 5.0}, kQ})};
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

Model fit_tile_wave(std::span<const FitPoint> points, const ReferenceRates& rates,
                    const Model* from) {
  if (points.size() < kTileWavePoints)
    throw InvalidInput{"a tile/wave form needs at least " + std::to_string(kTileWavePoints) +
                       " points"};
  if (!(rates.multiprocessors > 0))
    throw InvalidInput{"a tile/wave form needs the card's number of multiprocessors"};
  ScoutedLogs best;
  int splits = kMostSplits.front();
  for (const int most_splits : kMostSplits) {
    auto scouted = scout_logs(points, fit_of(points, {rates, most_splits}, from));
    if (scouted.cost >= best.cost) continue;
    best = std::move(scouted);
    splits = most_splits;
  }
  // What was scouted on a few of the rows lies further off than where all of them ended.
  if (from != nullptr && splits == machine_of(*from).most_splits)
    best = started_from(values_of(*from));
  auto fit = fit_of(points, {rates, splits}, from);
  if (from != nullptr) {
    fit.settled = kPolishedFold;
    fit.wants_errors = false;
  }
  Model model;
  model.form = "tile_wave";
  model.parameters = fit_logs(points, fit, best);
  model.parameters.push_back({"splits", static_cast<double>(splits), "1", 0});
  model.parameters.push_back({"multiprocessors", rates.multiprocessors, "1", 0});
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
