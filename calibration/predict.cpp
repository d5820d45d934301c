// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "calibration/conformal.hpp"
#include "calibration/join.hpp"
#include "calibration/selection.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// Rates of the last three points that lie this close are taken to have settled.
constexpr double kSettledRates = 0.03;
/// Each doubling past the last size widens a transfer's interval by this share.
constexpr double kSettledWidening = 0.1;
/// Each doubling outside the shapes measured widens a kernel's interval by this share.
constexpr double kOutsideWidening = 0.5;
/// Log-log interpolation between group sizes: 90 % of the unseen groups of the public NCCL tables
/// lie within 14 %.
constexpr double kGroupHalfWidth = 0.14;

/// A prediction while it is being made, in log time.
struct Draft {
  double seconds = 0;
  double half_width = 0;
  std::vector<std::string> flags;
};

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

Dtypes dtypes_of(const Model& model, const Query& query) {
  const auto& dtype = query.dtype.empty() ? model.conditions.dtype : query.dtype;
  return {dtype, dtype, model.conditions.output_dtype, "", "", ""};
}

const ResidualQuantile* regime_of(const Model& model, double size) {
  for (const auto& quantile : model.residual_quantiles)
    if (size >= quantile.from && (quantile.to == 0 || size < quantile.to)) return &quantile;
  return nullptr;
}

void add_interval(Draft& draft, const Model& model, double size) {
  const auto* regime = regime_of(model, size);
  draft.half_width = regime == nullptr ? kUnknownHalfWidth : regime->half_width_90;
  const int count = regime == nullptr ? 0 : regime->count;
  if (count == 0)
    draft.flags.push_back("interval not calibrated: nothing was held out, a factor of " +
                          number(std::exp(draft.half_width)) + " is assumed");
  else if (count < kConformalPoints)
    draft.flags.push_back("interval widened: calibrated on " + std::to_string(count) +
                          " held-out points only");
}

/// Past the last size a transfer goes on at its last rate.
void extrapolate_transfer(Draft& draft, const Model& model, double size) {
  const double last = model.validity.at("bytes").second, times = size / last;
  Inputs at_last;
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

void widen_outside(Draft& draft, const Model& model, const Point& point) {
  double doublings = 0;
  for (const auto& [name, value] : point) {
    const auto range = model.validity.find(name);
    if (range == model.validity.end()) continue;
    const auto [low, high] = range->second;
    const auto asked = std::max(static_cast<double>(value), 0.5);
    const double times = asked > high ? asked / high : asked < low ? low / asked : 1;
    if (times == 1) continue;
    doublings += std::log2(times);
    draft.flags.push_back("outside validity: " + name + " = " + std::to_string(value) +
                          " is not between " + number(low) + " and " + number(high) +
                          ": interval widened");
  }
  draft.half_width *= 1 + kOutsideWidening * doublings;
}

bool past_last_size(const Model& model, const Query& query) {
  const auto range = model.validity.find("bytes");
  return family_of(model.operation, query.point) == Family::transfer &&
         range != model.validity.end() && query.point.contains("bytes") &&
         static_cast<double>(query.point.at("bytes")) > range->second.second;
}

Draft draft_of(const Model& model, const Query& query) {
  const auto inputs = inputs_of(query.operation, query.point, dtypes_of(model, query));
  Draft draft{evaluate(model, inputs), 0, {}};
  add_interval(draft, model, inputs.size);
  if (past_last_size(model, query))
    extrapolate_transfer(draft, model, inputs.size);
  else
    widen_outside(draft, model, query.point);
  return draft;
}

Prediction prediction_of(Draft draft, const Model& model) {
  const double factor = std::exp(draft.half_width);
  return {draft.seconds, draft.seconds / factor, draft.seconds * factor,
          model.id,      model.provenance,       std::move(draft.flags)};
}

/// Which implementation answered, where there was a choice.
std::string implementation_flag(const Selection& selection, const Answer& answer) {
  std::set<std::string> all;
  std::string taken;
  for (const auto* model : selection.models) {
    all.insert(model->conditions.implementation);
    if (model->id == answer.prediction->model_id) taken = model->conditions.implementation;
  }
  return all.size() < 2 ? "" : "implementation " + taken + ", the fastest here of: " + join(all);
}

/// The fastest of equally good models.
Answer answer_exactly(const Coefficients& coefficients, const Query& query) {
  auto selection = select_models(coefficients, query);
  Answer answer;
  answer.missing = selection.missing;
  for (const auto* model : selection.models) {
    auto prediction = prediction_of(draft_of(*model, query), *model);
    if (!answer.prediction || prediction.seconds < answer.prediction->seconds)
      answer.prediction = std::move(prediction);
  }
  const auto taken_flag = implementation_flag(selection, answer);
  if (!taken_flag.empty()) selection.flags.push_back(taken_flag);
  if (answer.prediction)
    answer.prediction->flags.insert(answer.prediction->flags.begin(), selection.flags.begin(),
                                    selection.flags.end());
  return answer;
}

double half_width(const Prediction& p) { return std::log(p.hi / p.seconds); }

Prediction between(const Prediction& below, const Prediction& above, double share) {
  Prediction p = below;
  p.seconds = std::exp((1 - share) * std::log(below.seconds) + share * std::log(above.seconds));
  const double width = std::hypot(std::max(half_width(below), half_width(above)), kGroupHalfWidth);
  p.lo = p.seconds * std::exp(-width);
  p.hi = p.seconds * std::exp(width);
  p.model_id = below.model_id + " + " + above.model_id;
  for (const auto& flag : above.flags)
    if (std::find(p.flags.begin(), p.flags.end(), flag) == p.flags.end()) p.flags.push_back(flag);
  return p;
}

/// A group size between two measured ones: log time over log ranks.
Answer answer_between_groups(const Coefficients& coefficients, const Query& query) {
  const auto groups = measured_groups(coefficients, query);
  const auto above = std::upper_bound(groups.begin(), groups.end(), query.group);
  if (above == groups.begin() || above == groups.end()) return {};
  Query low = query, high = query;
  low.group = *(above - 1);
  high.group = *above;
  const auto a = answer_exactly(coefficients, low), b = answer_exactly(coefficients, high);
  if (!a.prediction || !b.prediction) return {};
  const double share = std::log(static_cast<double>(query.group) / low.group) /
                       std::log(static_cast<double>(high.group) / low.group);
  Answer answer{between(*a.prediction, *b.prediction, share), "", false};
  answer.prediction->flags.push_back("interpolated between groups of " + std::to_string(low.group) +
                                     " and " + std::to_string(high.group));
  return answer;
}

void check(const Query& query) {
  if (!query.dtype.empty()) (void)parse_dtype(query.dtype);
  if (query.group < 1)
    throw InvalidInput{"a group of " + std::to_string(query.group) + " ranks does not exist"};
}

}  // namespace

Prediction predict_with(const Model& model, const Point& point) {
  Query query;
  query.operation = model.operation;
  query.point = point;
  return prediction_of(draft_of(model, query), model);
}

Answer predict(const Coefficients& coefficients, const Query& query) {
  check(query);
  if (const auto machines = matching_machines(coefficients, query); machines.size() > 1)
    return {{},
            "models of " + query.operation + " are of " + std::to_string(machines.size()) + " " +
                (is_collective(query.operation) ? "systems" : "cards") +
                "; choose one: " + join(machines),
            true};
  auto answer = answer_exactly(coefficients, query);
  if (answer.prediction || !is_collective(query.operation)) return answer;
  auto interpolated = answer_between_groups(coefficients, query);
  return interpolated.prediction ? interpolated : answer;
}

}  // namespace moecal::calibration
