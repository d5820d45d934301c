// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>

#include "calibration/candidates.hpp"
#include "calibration/joint_fit.hpp"
#include "calibration/pooled_curves.hpp"
#include "calibration/release_drift.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// Standard deviation of log time beyond which repeats of one run look like two things measured:
/// those of good measurements differ by a few hundredths.
constexpr double kDisagreement = 0.1;

/// Own held-out points that make a regime's quantile steadier than its neighbours' could.
constexpr int kOwnPoints = 30;

struct Fitted {
  const Series* series = nullptr;
  Candidate candidate;
};

ReferenceRates nominal_rates(const Series& series, const std::vector<Card>& cards) {
  for (const auto& card : cards) {
    if (card.id != series.card) continue;
    const auto peak = card.dense_peak(series.conditions.dtype);
    if (peak && card.memory_bandwidth)
      return {peak->value(), card.memory_bandwidth->value.value(), true,
              card.multiprocessors ? static_cast<double>(card.multiprocessors->value) : 0};
  }
  return {};
}

std::vector<std::string> observation_ids(const std::vector<std::string>& ids, bool compact) {
  if (!compact) return ids;
  std::string all;
  for (const auto& id : ids) all += id + "\n";
  return {"set-of-" + std::to_string(ids.size()) + "-" + sha256(all).substr(0, 12)};
}

double ape_quantile(const std::vector<HeldOut>& errors, double p) {
  if (errors.empty()) return 0;
  std::vector<double> apes;
  for (const auto& error : errors) apes.push_back(std::abs(std::expm1(error.log_ratio)));
  return quantile(apes, p);
}

FitQuality quality_of(const Series& series, const Candidate& candidate) {
  std::vector<Inputs> calls;
  for (const auto& point : series.points) calls.push_back(point.inputs);
  const auto seconds = evaluate(candidate.model, calls);
  std::vector<HeldOut> in_sample;
  for (std::size_t i = 0; i < calls.size(); ++i)
    in_sample.push_back({calls[i].size, std::log(seconds[i] / series.points[i].seconds)});
  FitQuality quality;
  quality.points = static_cast<int>(series.points.size());
  quality.in_sample_median_ape = ape_quantile(in_sample, 0.5);
  quality.held_out_median_ape = ape_quantile(candidate.held_out, 0.5);
  quality.held_out_p90_ape = ape_quantile(candidate.held_out, 0.9);
  quality.held_out_points = static_cast<int>(candidate.held_out.size());
  quality.repeated_points = series.repeated_points;
  quality.between_run_spread = series.between_run_spread;
  quality.variance = series.variance;
  return quality;
}

/// What is known of models that were not measured is of those that were, left out in turn.
void describe_layer_models(Model& model, const Series& series) {
  std::set<Point> models;
  for (const auto& call : series.calls)
    if (const auto numbers = model_numbers(call.point)) models.insert(*numbers);
  model.layer_models.assign(models.begin(), models.end());
}

/// Where a routing is a number among others, or gives those that are.
void describe_routings(Model& model, const Series& series) {
  const bool any_routing = series.conditions.any_routing;
  if (series.family != Family::grouped && !any_routing) return;
  std::set<RoutingConditions> routings;
  for (const auto& call : series.calls) routings.insert(call.routing);
  model.routings.assign(routings.begin(), routings.end());
  if (!any_routing) return;
  const auto [least, most] = std::ranges::minmax(
      series.calls, {}, [](const MeasuredCall& call) { return call.load.skew; });
  model.skews = {least.load.skew, most.load.skew};
}

void describe(Model& model, const Series& series, const FitOptions& options) {
  model.id = series.id() + "/" + model.form;
  model.operation = series.operation;
  model.card = series.card;
  model.system = series.system;
  model.conditions = series.conditions;
  if (model.validity.empty()) model.validity = series.validity;
  describe_routings(model, series);
  describe_layer_models(model, series);
  model.observation_ids = observation_ids(series.observation_ids, options.compact);
  model.provenance = series.imported ? "imported" : "measured";
  if (series.family == Family::transfer)
    model.parameters.push_back({"last_rate_spread", last_rate_spread(series, model), "1", 0});
}

Fitted finish(const Series& series, Candidate candidate, const FitOptions& options) {
  Fitted one{&series, std::move(candidate)};
  one.candidate.model.quality = quality_of(series, one.candidate);
  describe(one.candidate.model, series, options);
  return one;
}

/// What became of one series.
struct SeriesFit {
  std::vector<Fitted> fitted;
  std::vector<LeftOut> left_out;
};

/// A table and a compact form of a series each calibrate their own interval: a file without tables
/// is as honest as one with them.
SeriesFit fit_series(const Series& series, const FitOptions& options) {
  SeriesFit result;
  const auto attempt = [&](auto&& make) {
    try {
      result.fitted.push_back(finish(series, make(), options));
    } catch (const InvalidInput& error) {
      result.left_out.push_back({series.id(), error.what()});
    }
  };
  attempt([&] {
    const auto nominal = nominal_rates(series, options.cards);
    auto compact = fit_compact(series, nominal);
    return options.compact ? compact : with_residual(series, nominal, std::move(compact));
  });
  if (is_worth_a_table(series) && !options.compact) attempt([&] { return fit_table(series); });
  return result;
}

/// Every series on its own, on several threads, the longest first; results in the series' order.
std::vector<Fitted> fit_each(std::span<const Series> series, const FitOptions& options,
                             FitReport& report) {
  std::vector<std::size_t> order(series.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return series[a].points.size() > series[b].points.size();
  });
  std::vector<SeriesFit> fits(series.size());
  for_each_index(series.size(), options.threads,
                 [&](std::size_t i) { fits[order[i]] = fit_series(series[order[i]], options); });
  std::vector<Fitted> all;
  for (auto& one : fits) {
    std::move(one.fitted.begin(), one.fitted.end(), std::back_inserter(all));
    std::move(one.left_out.begin(), one.left_out.end(), std::back_inserter(report.left_out));
  }
  return all;
}

double median_error(std::span<const HeldOut> errors) {
  std::vector<double> sizes;
  for (const auto& error : errors) sizes.push_back(std::abs(error.log_ratio));
  return sizes.empty() ? std::numeric_limits<double>::infinity() : median(sizes);
}

/// Puts pooled curves in the place of the tables of sparse curves, where left-out points say that
/// they predict better, or where some curve has too few points for a table of its own.
void pool_sparse_curves(std::span<const Series* const> curves, const FitOptions& options,
                        std::vector<Fitted>& fitted, FitReport& report) {
  const std::set<const Series*> pool{curves.begin(), curves.end()};
  const auto is_table = [&](const Fitted& one) {
    return pool.contains(one.series) && !one.candidate.model.table.empty();
  };
  std::vector<HeldOut> of_tables, of_pool;
  for (const auto& one : fitted)
    if (is_table(one))
      of_tables.insert(of_tables.end(), one.candidate.held_out.begin(),
                       one.candidate.held_out.end());
  auto pooled = fit_pooled_curves(curves);
  for (const auto& one : pooled)
    of_pool.insert(of_pool.end(), one.candidate.held_out.begin(), one.candidate.held_out.end());
  const auto tables =
      static_cast<std::size_t>(std::count_if(fitted.begin(), fitted.end(), is_table));
  if (tables == curves.size() && median_error(of_pool) >= median_error(of_tables)) return;
  std::erase_if(fitted, is_table);
  for (auto& [series, candidate] : pooled) {
    std::erase_if(report.left_out,
                  [&own = series](const LeftOut& one) { return one.series == own->id(); });
    fitted.push_back(finish(*series, std::move(candidate), options));
  }
}

/// Series whose errors are alike: one form, one family, one machine.
std::string pool_of(const Fitted& fitted) {
  return fitted.candidate.model.form + "/" + fitted.series->card + "/" + fitted.series->system +
         "/" + std::to_string(static_cast<int>(fitted.series->family)) +
         (fitted.candidate.model.residual ? "/residual" : "");
}

const std::vector<HeldOut>& calibration_of(const Candidate& candidate) {
  return candidate.calibration.empty() ? candidate.held_out : candidate.calibration;
}

/// The quantiles of a pool. Errors in the deviations that were expected of them are alike at all
/// sizes: where few are of a regime, those of all regimes speak for it.
std::vector<ResidualQuantile> pooled_quantiles(std::span<const HeldOut> errors, const Fitted& any) {
  auto quantiles = conformal_quantiles(errors, regime_limits(any.series->family));
  if (any.candidate.model.table_scales.empty()) return quantiles;
  const auto all = conformal_quantiles(errors, {}).front();
  for (auto& quantile : quantiles)
    if (quantile.count < kOwnPoints)
      quantile = {quantile.from, quantile.to, all.half_width_90, all.count};
  return quantiles;
}

void add_intervals(std::vector<Fitted>& fitted) {
  std::map<std::string, std::vector<HeldOut>> pools;
  for (const auto& one : fitted) {
    auto& pool = pools[pool_of(one)];
    const auto& errors = calibration_of(one.candidate);
    pool.insert(pool.end(), errors.begin(), errors.end());
  }
  std::map<std::string, std::vector<ResidualQuantile>> of_pools;
  for (auto& one : fitted) {
    const auto limits = regime_limits(one.series->family);
    auto quantiles = conformal_quantiles(calibration_of(one.candidate), limits);
    const auto name = pool_of(one);
    auto& pooled = of_pools[name];
    if (pooled.empty()) pooled = pooled_quantiles(pools.at(name), one);
    for (std::size_t i = 0; i < quantiles.size(); ++i)
      if (quantiles[i].count < kOwnPoints) quantiles[i] = pooled[i];
    for (auto& quantile : quantiles)
      quantile.half_width_90 = std::max(quantile.half_width_90, kResolution);
    one.candidate.model.residual_quantiles = std::move(quantiles);
    auto& model = one.candidate.model;
    if (model.layer_models.empty()) continue;
    model.unseen_model_quantiles = conformal_quantiles(one.candidate.unseen_models, limits);
    // What is new is known no better than what was measured.
    for (std::size_t i = 0; i < limits.size() && i < model.residual_quantiles.size(); ++i)
      model.unseen_model_quantiles[i].half_width_90 = std::max(
          model.unseen_model_quantiles[i].half_width_90, model.residual_quantiles[i].half_width_90);
  }
}

/// The other machines' series of the files: what they know of groups never measured here.
std::vector<Series> donors_of(std::span<const ObservationFile> files, const FitOptions& options) {
  if (options.card.empty()) return {};
  auto all = group_observations(files, "", options.threads).series;
  std::erase_if(all, [&](const Series& s) {
    return s.card == options.card || !is_call_of_system(s.operation);
  });
  return all;
}

void add_joint_models(std::span<const Series> series, std::span<const ObservationFile> files,
                      const FitOptions& options, std::vector<Model>& models) {
  for (auto& [model, ids, imported] :
       fit_joint_models(series, donors_of(files, options), options.threads, options.compact)) {
    model.observation_ids = observation_ids(ids, options.compact);
    model.provenance = imported ? "imported" : "measured";
    models.push_back(std::move(model));
  }
}

void count_once(const std::vector<Fitted>& fitted, FitReport& report) {
  std::set<const Series*> all;
  for (const auto& one : fitted) all.insert(one.series);
  report.series = static_cast<int>(all.size());
  for (const auto* series : all) report.points += static_cast<int>(series->points.size());
}

}  // namespace

FitResult fit(std::span<const ObservationFile> files, const FitOptions& options) {
  const auto grouped = group_observations(files, options.card, options.threads);
  FitResult result{{options.source, options.commit, {}},
                   {.counts = grouped.counts, .left_out = {}}};
  auto fitted = fit_each(grouped.series, options, result.report);
  if (!options.compact)
    for (const auto& pool : pools_of(grouped.series))
      if (are_sparse(pool)) pool_sparse_curves(pool, options, fitted, result.report);
  if (fitted.empty())
    throw InvalidInput{"no series of observations has enough points for a fit; the first: " +
                       result.report.left_out.front().series + ": " +
                       result.report.left_out.front().reason};
  add_intervals(fitted);
  count_once(fitted, result.report);
  for (const auto& series : grouped.series) {
    for (const auto& duplicate : series.duplicates)
      result.report.given_twice.push_back({series.id(), duplicate});
    if (!series.run_exceptions.empty())
      result.report.differing_runs.push_back(
          {series.id(), static_cast<int>(series.points.size()), series.run_exceptions});
    if (series.disagreement > kDisagreement)
      result.report.disagreements.push_back({series.id(), series.disagreement});
  }
  result.report.left_out.insert(result.report.left_out.end(), grouped.left_out.begin(),
                                grouped.left_out.end());
  result.report.conflicts = grouped.conflicts;
  result.coefficients.drift = release_drift(grouped.series);
  result.report.without_release = without_release(grouped.series);
  for (const auto& one : fitted)
    if (one.series->family == Family::grouped || one.series->family == Family::exchange ||
        one.series->conditions.any_routing)
      result.report.calls[one.candidate.model.id] = one.series->calls;
  for (auto& one : fitted) result.coefficients.models.push_back(std::move(one.candidate.model));
  auto& models = result.coefficients.models;
  add_joint_models(grouped.series, files, options, models);
  std::sort(models.begin(), models.end(),
            [](const Model& a, const Model& b) { return a.id < b.id; });
  return result;
}

}  // namespace moecal::calibration
