// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prediction_draft.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>

#include "calibration/conformal.hpp"
#include "calibration/exchange_skew.hpp"
#include "calibration/expert_inputs.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/operation_work.hpp"
#include "calibration/residual.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/switches.hpp"
#include "calibration/validity.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

/// Rates of the last three points that lie this close are taken to have settled.
constexpr double kSettledRates = 0.03;
/// Each doubling past the last size widens a transfer's interval by this share.
constexpr double kSettledWidening = 0.1;
/// Each doubling outside the shapes measured widens a kernel's interval by this share.
constexpr double kOutsideWidening = 0.5;

/// Far from the points it learnt from a residual fades, and the compact form's own error returns.
void fade_residual(Draft& draft, const Model& model, const Inputs& inputs) {
  if (!model.residual) return;
  const double weight = residual_weight(*model.residual, inputs);
  if (weight == 1) return;
  const auto* regime = regime_of(model.residual->compact_quantiles, inputs.size);
  const double compact = regime == nullptr ? kUnknownHalfWidth : regime->half_width_90;
  draft.half_width = std::max(draft.half_width, weight * draft.half_width + (1 - weight) * compact);
  draft.flags.push_back("residual counts " + number(100 * weight) +
                        " %: far from the points it learnt from");
}

/// Past the last size a transfer goes on at its last rate.
void extrapolate_transfer(Draft& draft, const Model& model, const Inputs& inputs) {
  const double last = model.validity.at("bytes").second, times = inputs.size / last;
  auto at_last = inputs;
  at_last.size = last;
  draft.seconds = evaluate(model, at_last) * times;
  const double spread = parameter_or(model, "last_rate_spread", 1);
  const bool settled = spread <= kSettledRates;
  draft.half_width *= 1 + kSettledWidening * std::log2(times);
  // Rates that still move over two doublings may go on moving as fast.
  if (!settled) draft.half_width += 0.5 * std::log1p(spread) * std::log2(times);
  draft.flags.push_back("extrapolated x" + number(times));
  if (!settled)
    draft.flags.push_back("the rates of the last three sizes differ by " + number(100 * spread) +
                          " %: interval widened");
}

/// The interval of an unseen model is of models left out of the fit: how far they lay outside of
/// the others is in it already, and only what lies further widens it.
void widen_outside(Draft& draft, const Model& model, const Point& point,
                   const std::optional<Point>& unseen) {
  Point others = point;
  if (unseen)
    std::erase_if(others, [&](const auto& number) { return unseen->contains(number.first); });
  const double beyond = unseen ? doublings_beyond(model.layer_models, *unseen) : 0;
  for (const auto& [name, value] : point) {
    const auto range = model.validity.find(name);
    if (range == model.validity.end()) continue;
    if (times_outside(range->second, static_cast<double>(value)) == 1) continue;
    const auto [low, high] = range->second;
    draft.flags.push_back("outside validity: " + name + " = " + std::to_string(value) +
                          " is not between " + number(low) + " and " + number(high) +
                          (beyond == 0 && !others.contains(name)
                               ? ": no further than models left out of the fit"
                               : ": interval widened"));
  }
  draft.half_width *= 1 + kOutsideWidening * (doublings_outside(model.validity, others) + beyond);
}

/// Experts more uneven than any that were measured, or fewer rows for a capacity, widen as numbers
/// outside do: by the doublings of the fullest expert's load beyond those of the routings measured.
void widen_outside_routings(Draft& draft, const Model& model, const Query& query) {
  const auto& measured = model.routings;
  if (measured.empty()) return;
  const auto asked = routing_asked(model.operation, query);
  if (std::find(measured.begin(), measured.end(), asked) != measured.end()) return;
  const auto skew_of = [&](const RoutingConditions& routing) {
    return load_skew(model.operation, query.point, spec_of(routing));
  };
  std::vector<double> known;
  for (const auto& each : measured)
    if (each.loads.empty()) known.push_back(skew_of(each));
  const double skew = skew_of(asked);
  if (known.empty())
    draft.flags.push_back(
        "only recorded loads were measured: how uneven they are beside the routing asked of is not "
        "known, and the interval is not widened for it");
  if (known.empty() || !(skew > 0)) return;
  const auto [least, most] = std::minmax_element(known.begin(), known.end());
  const double times = skew > *most ? skew / *most : skew < *least ? *least / skew : 1;
  if (times == 1) return;
  draft.half_width *= 1 + kOutsideWidening * std::log2(times);
  draft.flags.push_back("the fullest expert has " + number(skew) +
                        " times the even share of rows, not between " + number(*least) + " and " +
                        number(*most) + " as measured: interval widened");
}

/// Of an exchange by a routing the mean bytes are asked too, unless another number is outside.
Point point_asked(const Model& model, const Point& point, const Inputs& inputs) {
  auto asked = point;
  if (model.conditions.any_routing && doublings_outside(model.validity, point) == 0)
    asked.try_emplace("bytes", whole_number(inputs.size));
  return asked;
}

bool past_last_size(const Model& model, const Point& point) {
  const auto range = model.validity.find("bytes");
  return family_of(model.operation, point) == Family::transfer && range != model.validity.end() &&
         point.contains("bytes") && static_cast<double>(point.at("bytes")) > range->second.second;
}

/// Between two sampled sizes with a switch between them either protocol may rule.
void cover_switch(Draft& draft, const Model& model, double size) {
  const auto doubt = switch_doubt(model, size);
  if (!doubt) return;
  draft.half_width = std::max(draft.half_width, half_width_around(*doubt, draft.seconds));
  const auto bytes = [](double value) { return std::to_string(std::llround(value)); };
  draft.flags.push_back("a protocol switch lies between " + bytes(doubt->at.below) + " and " +
                        bytes(doubt->at.above) + " bytes: interval widened; measure bytes=" +
                        std::to_string(doubt->at.size_to_measure()));
}

/// Nothing where the model of a layer was measured, or the operation has no models.
std::optional<Point> unseen_model(const Model& model, const Point& point) {
  auto asked = model_numbers(point);
  const auto& measured = model.layer_models;
  if (measured.empty() || !asked ||
      std::find(measured.begin(), measured.end(), *asked) != measured.end())
    return std::nullopt;
  return asked;
}

void say_unseen_model(Draft& draft, const Model& model, const Point& asked) {
  const auto numbers = join(asked, ", ", [](const Point::value_type& each) {
    return each.first + " " + std::to_string(each.second);
  });
  draft.flags.push_back("no layer of this model was measured (" + numbers + ")" +
                        (model.layer_models.size() > 1
                             ? ": the interval is of models left out of the fit"
                             : ", and only one model was: nothing says how models differ"));
}

/// What is asked for, and how much of a draw is not known beforehand.
struct Asked {
  Inputs inputs;
  double draw_doubt = 0;
};

/// A skew is asked for as it is, or as what the routing comes to.
Asked inputs_asked(const Model& model, const Query& query) {
  const auto dtypes = dtypes_asked(model.conditions, query);
  const auto routing = spec_of(routing_asked(model.operation, query));
  const auto work = kind_of_work(query.operation, model.conditions.implementation);
  const auto inputs = inputs_of(work, query.point, dtypes, routing);
  if (!model.conditions.any_routing) return {inputs};
  if (query.skew) return {with_load(inputs, {inputs.size, *query.skew})};
  const auto expected = expected_load({query.point, dtypes, model.conditions.group, routing});
  const auto expected_inputs = with_load(inputs, expected.load);
  return {expected_inputs, draw_doubt(model, expected_inputs, expected)};
}

void widen_outside_skews(Draft& draft, const Model& model, const Inputs& inputs) {
  const double doubt = skew_doubt(model, inputs);
  if (doubt == 0) return;
  draft.half_width += doubt;
  draft.flags.push_back("the busiest rank has " + number(inputs.skew) +
                        " times the mean bytes, not between " + number(model.skews->first) +
                        " and " + number(model.skews->second) + " as measured: interval widened");
}

}  // namespace

const ResidualQuantile* regime_of(std::span<const ResidualQuantile> quantiles, double size) {
  for (const auto& quantile : quantiles)
    if (size >= quantile.from && (quantile.to == 0 || size < quantile.to)) return &quantile;
  return nullptr;
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

Dtypes dtypes_asked(const Conditions& measured, const Query& query) {
  const auto& dtype = query.dtype.empty() || measured.dtype.empty() ? measured.dtype : query.dtype;
  return {dtype, dtype, measured.output_dtype, "", "", ""};
}

void add_interval(Draft& draft, std::span<const ResidualQuantile> quantiles, double size) {
  const auto* regime = regime_of(quantiles, size);
  draft.half_width = regime == nullptr ? kUnknownHalfWidth : regime->half_width_90;
  const int count = regime == nullptr ? 0 : regime->count;
  if (count == 0)
    draft.flags.push_back("interval not calibrated: nothing was held out, a factor of " +
                          number(std::exp(draft.half_width)) + " is assumed");
  else if (count < kConformalPoints)
    draft.flags.push_back("interval widened: calibrated on " + std::to_string(count) +
                          " held-out points only");
}

Draft draft_of(const Model& model, const Query& query) {
  const auto [inputs, draw_doubt] = inputs_asked(model, query);
  Draft draft{evaluate(model, inputs), 0, {}};
  const auto unseen = unseen_model(model, query.point);
  add_interval(draft, unseen ? model.unseen_model_quantiles : model.residual_quantiles,
               inputs.size);
  if (unseen) say_unseen_model(draft, model, *unseen);
  draft.half_width *= IntervalScale{model}.at(inputs.size);
  fade_residual(draft, model, inputs);
  cover_switch(draft, model, ruling_bytes(model, inputs));
  const auto point = point_asked(model, query.point, inputs);
  if (past_last_size(model, point))
    extrapolate_transfer(draft, model, inputs);
  else
    widen_outside(draft, model, point, unseen);
  if (model.skews)
    widen_outside_skews(draft, model, inputs);
  else
    widen_outside_routings(draft, model, query);
  draft.half_width = std::hypot(draft.half_width, draw_doubt, run_doubt(model.quality.variance));
  return draft;
}

}  // namespace moecal::calibration
