// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/candidates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "calibration/expert_exchange.hpp"
#include "calibration/grouped_gemms.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/latency_bandwidth.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/nested_choice.hpp"
#include "calibration/overlap.hpp"
#include "calibration/piecewise.hpp"
#include "calibration/residual.hpp"
#include "calibration/ruling_curve.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "calibration/sizes_left_out.hpp"
#include "calibration/skewed_latency_bandwidth.hpp"
#include "calibration/switches.hpp"
#include "calibration/tile_wave.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr int kPairFolds = 5;
/// A transfer curve of so many points takes all segments: to choose their number by its own few
/// held-out points takes too few more often than it helps.
constexpr std::size_t kSettledPoints = 12;

/// Forms of a series from the plainest to the richest.
std::vector<FitFunction> transfer_forms(const Series& series) {
  std::vector<FitFunction> forms;
  for (int segments = 1; segments <= most_segments(series.points); ++segments)
    forms.push_back([segments](std::span<const FitPoint> points) {
      return fit_segmented_latency_bandwidth(points, std::min(segments, most_segments(points)));
    });
  return forms;
}

/// Whose bytes rule is left to the points of routings that a fit did not see. Skews that are all
/// alike cannot tell: then it is the busiest rank's, as on links of one's own.
std::vector<FitFunction> skewed_forms(const Series& series) {
  std::vector<SkewRule> rules{SkewRule::busiest};
  if (skews_differ(series.points)) rules = {SkewRule::total, SkewRule::busiest, SkewRule::fitted};
  std::vector<FitFunction> forms;
  for (int segments = 1; segments <= most_segments(series.points); ++segments)
    for (const auto rule : rules)
      forms.push_back([segments, rule](std::span<const FitPoint> points) {
        return fit_skewed_latency_bandwidth(points, std::min(segments, most_segments(points)),
                                            rule);
      });
  return forms;
}

/// More arithmetic than a kernel that only moves data: swiglu has 5 FLOPs per 6 bytes.
constexpr double kArithmeticMatters = 4;    // FLOP/B
constexpr std::size_t kRooflinePoints = 3;  // that its fit needs, in every fold

bool has_arithmetic(const FitPoint& point) {
  return point.inputs.flops > kArithmeticMatters * point.inputs.bytes;
}

std::vector<FitFunction> memory_forms(const Series& series, const ReferenceRates& nominal) {
  std::vector<FitFunction> forms;
  for (int rates = 1; rates <= std::min(2, most_segments(series.points)); ++rates)
    forms.push_back([rates](std::span<const FitPoint> points) {
      return fit_latency_bandwidth(points, std::min(rates, most_segments(points)));
    });
  if (series.operation == "overlap" && series.points.size() >= 2 * kOverlapPoints)
    forms.emplace_back(fit_overlap);
  if (std::ranges::any_of(series.points, has_arithmetic) &&
      series.points.size() >= 2 * kRooflinePoints)
    forms.push_back([nominal](std::span<const FitPoint> points) {
      return fit_roofline(points, nominal.nominal ? nominal : best_observed_rates(points));
    });
  return forms;
}

/// The points of a series of GEMMs that a fit saw, told apart by all their numbers.
std::vector<double> key_of(std::span<const FitPoint> points) {
  std::vector<double> key;
  key.reserve(8 * points.size());
  for (const auto& [inputs, seconds] : points)
    for (const double number : {inputs.m, inputs.n, inputs.k, inputs.size, inputs.flops,
                                inputs.bytes, inputs.grouped.fullest, seconds})
      key.push_back(number);
  return key;
}

/// The same fit, done once for each choice of points: a form's choice and its residual's leave out
/// the same folds. Of one thread.
FitFunction remembering(FitFunction fit) {
  auto fitted = std::make_shared<std::map<std::vector<double>, Model>>();
  return [fit = std::move(fit), fitted](std::span<const FitPoint> points) {
    auto key = key_of(points);
    const auto found = fitted->find(key);
    if (found != fitted->end()) return found->second;
    return fitted->emplace(std::move(key), fit(points)).first->second;
  };
}

/// Fits a form, from where another fit of it ended if there is one.
using FitFrom = std::function<Model(std::span<const FitPoint>, const Model* from)>;

/// Fits to parts of a series start where the fit to all of it ended, and so need no search over
/// starts. What is left out so has a say in where they start, and where a form has several optima
/// they may end in another one than a search would find (of the public tables' compact GEMM forms,
/// H200 bf16 has 90 % of its held-out errors below 15.2 in the place of 14.4 %).
FitFunction starting_from_all(const Series& series, FitFrom fit) {
  const auto all = std::make_shared<const Model>(fit(series.points, nullptr));
  const std::size_t count = series.points.size();
  return [fit = std::move(fit), all, count](std::span<const FitPoint> points) {
    return points.size() == count ? *all : fit(points, all.get());
  };
}

std::vector<FitFunction> gemm_forms(const Series& series, const ReferenceRates& nominal) {
  // The reference is a scale: each fold takes its own where there is no nominal one.
  const auto rates_of = [nominal](std::span<const FitPoint> points) {
    return nominal.nominal ? nominal : best_observed_rates(points);
  };
  std::vector<FitFunction> forms{
      [=](std::span<const FitPoint> points) { return fit_roofline(points, rates_of(points)); }};
  if (series.points.size() >= 2 * kSaturatingRooflinePoints)
    forms.push_back(
        starting_from_all(series, [=](std::span<const FitPoint> points, const Model* from) {
          return fit_saturating_roofline(points, rates_of(points), from);
        }));
  // Waves are of the card's multiprocessors: a card without a spec sheet has none.
  if (nominal.nominal && nominal.multiprocessors > 0 && series.points.size() >= 2 * kTileWavePoints)
    forms.push_back(
        starting_from_all(series, [=](std::span<const FitPoint> points, const Model* from) {
          return fit_tile_wave(points, nominal, from);
        }));
  for (auto& form : forms) form = remembering(std::move(form));
  return forms;
}

std::vector<FitFunction> grouped_forms(const Series& series, const ReferenceRates& nominal) {
  const auto rates_of = [nominal](std::span<const FitPoint> points) {
    return nominal.nominal ? nominal : best_observed_rates(points);
  };
  std::vector<FitFunction> forms{
      [=](std::span<const FitPoint> points) { return fit_roofline(points, rates_of(points)); }};
  if (series.points.size() >= 2 * kGroupedGemmsPoints)
    forms.push_back(
        starting_from_all(series, [=](std::span<const FitPoint> points, const Model* from) {
          return fit_grouped_gemms(points, rates_of(points), from);
        }));
  for (auto& form : forms) form = remembering(std::move(form));
  return forms;
}

/// Which copies a library sends is nowhere recorded: the points say. Of few the plain form takes
/// one for each expert.
std::vector<FitFunction> exchange_forms(const Series& series, const ReferenceRates& nominal) {
  const auto system_of = [&](Copies copies) {
    return ExchangeSystem{static_cast<double>(series.conditions.group), nominal.multiprocessors,
                          copies};
  };
  std::vector<FitFunction> forms{
      [system = system_of(Copies::per_expert)](std::span<const FitPoint> points) {
        return fit_plain_exchange(points, system);
      }};
  if (series.points.size() < 2 * kExpertExchangePoints) return forms;
  for (const auto copies : {Copies::per_rank, Copies::per_expert}) {
    const auto system = system_of(copies);
    forms.push_back(
        starting_from_all(series, [system](std::span<const FitPoint> points, const Model* from) {
          return fit_expert_exchange(points, system, from);
        }));
  }
  return forms;
}

bool can_have_residual(const Series& series) {
  return series.family == Family::gemm || series.family == Family::grouped;
}

constexpr double kWorthAResidual = 0.95;   // of the compact form's error, at most
constexpr double kHopelessResidual = 1.0;  // of it, at the folds so far

std::vector<FitFunction> forms_of(const Series& series, const ReferenceRates& nominal) {
  switch (series.family) {
    case Family::transfer:
      return series.conditions.any_routing ? skewed_forms(series) : transfer_forms(series);
    case Family::memory_bound:
      return memory_forms(series, nominal);
    case Family::grouped:
      return grouped_forms(series, nominal);
    case Family::exchange:
      return exchange_forms(series, nominal);
    case Family::gemm:
      break;
  }
  return gemm_forms(series, nominal);
}

std::vector<int> folds_of(const Series& series) {
  if (series.conditions.any_routing)
    if (auto folds = folds_by_routing(series.calls); !folds.empty()) return folds;
  switch (series.family) {
    case Family::gemm:
      return folds_by_pair(series.points, kPairFolds);
    case Family::grouped:
    case Family::exchange:
      return folds_by_configuration(series.calls, kPairFolds);
    case Family::transfer:
    case Family::memory_bound:
      break;
  }
  return folds_by_size(series.points, kSizeFolds);
}

/// A point that is left out pulls no more at the curve that predicts it, and so lies further off
/// than a fresh point would: of n points with variance v that p parameters follow, by v / (1 - p/n)
/// and v (1 + p/n). This takes the first to the second.
std::vector<HeldOut> as_of_fresh_points(const Model& curve, std::size_t points,
                                        std::vector<HeldOut> errors) {
  const auto parameters = static_cast<double>(curve.parameters.size() + curve.knots.size());
  const double leverage = std::min(1.0, parameters / static_cast<double>(points));
  for (auto& error : errors) error.log_ratio *= std::sqrt(1 - leverage * leverage);
  return errors;
}

/// The table without one of its interior sizes.
Model without_size(Model table, double size) {
  std::erase_if(table.table, [size](const auto& row) { return row.first == size; });
  return table;
}

/// Interpolation errors grow about as the square root of the gap's logarithm: p90 of 11, 14 and 19
/// % at sizes 4, 8 and 16 times apart on public NCCL tables. This is what takes the gap that a
/// left-out row leaves to the wider of the two beside it: wider than those no prediction between
/// measured sizes meets.
double gap_factor(const Model& table, double size) {
  const auto row = std::find_if(table.table.begin(), table.table.end(),
                                [size](const auto& one) { return one.first == size; });
  const double before = std::log(row->first / std::prev(row)->first);
  const double after = std::log(std::next(row)->first / row->first);
  return std::sqrt(std::max(before, after) / (before + after));
}

/// Errors of left-out rows as an interval should see them: across the gaps that predictions meet,
/// and as shares of how far the curve may run off there. What predict() covers by its doubt about a
/// switch is no error that a quantile must cover: the interval is the wider of the two.
std::vector<HeldOut> normalised(const Model& table, std::vector<HeldOut> errors) {
  for (auto& error : errors) {
    const auto others = without_size(table, error.size);
    const double factor = gap_factor(table, error.size);
    const double scale = 1 + (IntervalScale{others}.at(error.size) - 1) * factor;
    const auto doubt = switch_doubt(others, error.size);
    const bool covered =
        doubt && std::abs(error.log_ratio) <=
                     half_width_around(*doubt, evaluate(others, {.size = error.size}));
    error.log_ratio *= covered ? 0 : factor / scale;
  }
  return errors;
}

}  // namespace

namespace {

/// Sizes alone tell its points apart.
bool is_curve(const Series& series) {
  return series.family == Family::transfer && !series.conditions.any_routing;
}

Candidate fit_best_form(const Series& series, const ReferenceRates& nominal) {
  const auto forms = forms_of(series, nominal);
  if (is_curve(series) && series.points.size() >= kSettledPoints) {
    auto model = forms.back()(series.points);
    auto held_out = cross_validate(series.points, folds_one_out(series.points), forms.back());
    auto calibration = as_of_fresh_points(model, series.points.size(), held_out);
    return {std::move(model), std::move(held_out), std::move(calibration)};
  }
  auto choice = choose_nested(series.points, folds_of(series), forms);
  Candidate compact{forms[choice.form](series.points), std::move(choice.held_out), {}};
  // Routings that are left out leave every size in: an interval is to hold at either unseen.
  if (series.conditions.any_routing)
    compact.calibration = with_sizes_left_out(series, compact.held_out, forms[choice.form]);
  if (can_have_residual(series)) compact.fit_form = forms[choice.form];
  if (const auto models = folds_by_layer_model(series.calls); !models.empty())
    compact.unseen_models = cross_validate(series.points, models, forms[choice.form]);
  return compact;
}

}  // namespace

Candidate fit_compact(const Series& series, const ReferenceRates& nominal) {
  auto compact = fit_best_form(series, nominal);
  if (is_curve(series))
    compact.model.switches = brackets_of(fit_log_log_table(series.points).table);
  else if (series.conditions.any_routing)
    compact.model.switches = brackets_of(ruling_curve(series, compact.model));
  return compact;
}

Candidate with_residual(const Series& series, const ReferenceRates& nominal, Candidate compact) {
  if (!can_have_residual(series) || series.points.size() < kResidualPoints) return compact;
  const auto plan =
      plan_residual(series.points, compact.model, nominal.multiprocessors,
                    series.family == Family::grouped ? kExpertFeatures : kGemmFeatures);
  const auto fit = [&](std::span<const FitPoint> points) {
    Model model = compact.fit_form(points);
    model.residual = fit_residual(points, model, plan);
    return model;
  };
  // Folds come in the same order, so what the compact form made of the rows so far is known. What
  // does no better than it by then is not asked to learn the other folds as well.
  const auto compact_error = [&](std::size_t rows) {
    return mean_capped_error(
        std::span{compact.held_out}.first(std::min(rows, compact.held_out.size())));
  };
  auto held_out =
      cross_validate(series.points, folds_of(series), fit, [&](std::span<const HeldOut> errors) {
        return mean_capped_error(errors) > kHopelessResidual * compact_error(errors.size());
      });
  if (held_out.size() < compact.held_out.size() ||
      mean_capped_error(held_out) > kWorthAResidual * mean_capped_error(compact.held_out))
    return compact;
  if (const auto models = folds_by_layer_model(series.calls); !models.empty()) {
    auto unseen = cross_validate(series.points, models, fit);
    if (mean_capped_error(unseen) > kHopelessResidual * mean_capped_error(compact.unseen_models))
      return compact;
    compact.unseen_models = std::move(unseen);
  }
  auto residual = fit_residual(series.points, compact.model, plan);
  residual.compact_quantiles = conformal_quantiles(compact.held_out, regime_limits(series.family));
  compact.model.residual = std::move(residual);
  compact.held_out = std::move(held_out);
  return compact;
}

bool is_worth_a_table(const Series& series) {
  return series.one_size && series.points.size() >= kTablePoints;
}

Candidate fit_table(const Series& series) {
  if (!is_worth_a_table(series))
    throw InvalidInput{"a point table needs at least " + std::to_string(kTablePoints) +
                       " points that differ in one number only"};
  auto held_out = cross_validate(series.points, folds_one_out(series.points), fit_log_log_table);
  auto table = fit_log_log_table(series.points);
  auto calibration = normalised(table, held_out);
  return {std::move(table), std::move(held_out), std::move(calibration)};
}

double last_rate_spread(const Series& series, const Model& model) {
  const auto table = series.conditions.any_routing ? ruling_curve(series, model)
                                                   : fit_log_log_table(series.points).table;
  if (table.size() < 3) return kUnknownSpread;
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (auto row = table.end() - 3; row != table.end(); ++row) {
    least = std::min(least, row->first / row->second);
    most = std::max(most, row->first / row->second);
  }
  return most / least - 1;
}

}  // namespace moecal::calibration
