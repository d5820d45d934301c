// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <set>

#include "calibration/conformal.hpp"
#include "calibration/exchange_skew.hpp"
#include "calibration/group_opinions.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/join.hpp"
#include "calibration/load_skew.hpp"
#include "calibration/residual.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/selection.hpp"
#include "calibration/switches.hpp"
#include "calibration/validity.hpp"
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

/// A model whose dtype was not recorded answers as it was measured.
Dtypes dtypes_of(const Model& model, const Query& query) {
  const auto& measured = model.conditions.dtype;
  const auto& dtype = query.dtype.empty() || measured.empty() ? measured : query.dtype;
  return {dtype, dtype, model.conditions.output_dtype, "", "", ""};
}

const ResidualQuantile* regime_of(std::span<const ResidualQuantile> quantiles, double size) {
  for (const auto& quantile : quantiles)
    if (size >= quantile.from && (quantile.to == 0 || size < quantile.to)) return &quantile;
  return nullptr;
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

bool past_last_size(const Model& model, const Query& query) {
  const auto range = model.validity.find("bytes");
  return family_of(model.operation, query.point) == Family::transfer &&
         range != model.validity.end() && query.point.contains("bytes") &&
         static_cast<double>(query.point.at("bytes")) > range->second.second;
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
  std::string numbers;
  for (const auto& [name, value] : asked)
    numbers += (numbers.empty() ? "" : ", ") + name + " " + std::to_string(value);
  draft.flags.push_back("no layer of this model was measured (" + numbers + ")" +
                        (model.layer_models.size() > 1
                             ? ": the interval is of models left out of the fit"
                             : ", and only one model was: nothing says how models differ"));
}

/// A skew is asked for as it is, or as what the routing comes to.
Inputs inputs_asked(const Model& model, const Query& query) {
  const auto dtypes = dtypes_of(model, query);
  const auto routing = spec_of(routing_asked(model.operation, query));
  const auto inputs = inputs_of(query.operation, query.point, dtypes, routing);
  if (!model.conditions.any_routing) return inputs;
  if (query.skew) return with_load(inputs, {inputs.size, *query.skew});
  return with_load(inputs, expected_load({query.point, dtypes, model.conditions.group, routing}));
}

void widen_outside_skews(Draft& draft, const Model& model, const Inputs& inputs) {
  const double doubt = skew_doubt(model, inputs);
  if (doubt == 0) return;
  draft.half_width += doubt;
  draft.flags.push_back("the busiest rank has " + number(inputs.skew) +
                        " times the mean bytes, not between " + number(model.skews->first) +
                        " and " + number(model.skews->second) + " as measured: interval widened");
}

Draft draft_of(const Model& model, const Query& query) {
  const auto inputs = inputs_asked(model, query);
  Draft draft{evaluate(model, inputs), 0, {}};
  const auto unseen = unseen_model(model, query.point);
  add_interval(draft, unseen ? model.unseen_model_quantiles : model.residual_quantiles,
               inputs.size);
  if (unseen) say_unseen_model(draft, model, *unseen);
  draft.half_width *= IntervalScale{model}.at(inputs.size);
  fade_residual(draft, model, inputs);
  cover_switch(draft, model, inputs.size);
  if (past_last_size(model, query))
    extrapolate_transfer(draft, model, inputs.size);
  else
    widen_outside(draft, model, query.point, unseen);
  if (model.skews)
    widen_outside_skews(draft, model, inputs);
  else
    widen_outside_routings(draft, model, query);
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

/// The fastest of equally good models; where a joint model asks, of those it was fitted with.
Answer answer_exactly(const Coefficients& coefficients, const Query& query,
                      const Model* joint = nullptr) {
  auto selection = select_models(coefficients, query, joint);
  Answer answer;
  answer.missing = selection.missing;
  const Model* taken = nullptr;
  for (const auto* model : selection.models) {
    auto prediction = prediction_of(draft_of(*model, query), *model);
    if (answer.prediction && prediction.seconds >= answer.prediction->seconds) continue;
    answer.prediction = std::move(prediction);
    taken = model;
  }
  if (taken != nullptr) {
    auto flags = stand_in_flags(*taken, query);
    selection.flags.insert(selection.flags.begin(), flags.begin(), flags.end());
  }
  const auto taken_flag = implementation_flag(selection, answer);
  if (!taken_flag.empty()) selection.flags.push_back(taken_flag);
  if (answer.prediction)
    answer.prediction->flags.insert(answer.prediction->flags.begin(), selection.flags.begin(),
                                    selection.flags.end());
  return answer;
}

double half_width(const Prediction& p) { return std::log(p.hi / p.seconds); }

/// What the measured groups of the query's tier say of its point.
struct MeasuredGroups {
  std::vector<int> groups;  // ascending
  SecondsByGroup seconds;   // of those next to the query's
  double half_width = 0;    // the widest of theirs
  int ranks_per_node = 1;
  double node_doublings = 0;  // most between the nodes asked of and those a time was measured on
  std::string names;          // of their models
  std::string provenance;
  std::vector<std::string> flags;

  void take(int group, const Prediction& p) {
    seconds[group] = p.seconds;
    half_width = std::max(half_width, calibration::half_width(p));
    names += (names.empty() ? "" : " + ") + p.model_id;
    provenance = p.provenance;
    for (const auto& flag : p.flags)
      if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(flag);
  }
};

double joint_at(const Model& joint, const Query& query, double ranks, double nodes) {
  Inputs inputs{.size = static_cast<double>(query.point.at("bytes"))};
  inputs.ranks = ranks;
  inputs.nodes = nodes;
  return evaluate(joint, inputs);
}

/// Nodes that a group spans with as many ranks on each as the query says; 0: it does not say.
double nodes_as_asked(const Query& query, int group) {
  if (query.tier == "intra" || query.nodes == 0) return 0;
  return std::max(2.0, static_cast<double>(group) * query.nodes / query.group);
}

/// A neighbour as it was measured; where it was with as many ranks on a node as the query says, so.
Query neighbour_query(const Coefficients& coefficients, const Query& query, const Model& joint,
                      int group) {
  Query near = query;
  near.group = group;
  const double nodes = nodes_as_asked(query, group);
  near.nodes = nodes == std::floor(nodes) ? static_cast<int>(nodes) : 0;
  if (select_models(coefficients, near, &joint).models.empty()) near.nodes = 0;
  return near;
}

/// Takes a time to other nodes than it was measured on, by what the joint model says of the two.
void move_to_nodes(Prediction& p, const Query& query, const Model& joint,
                   const Conditions& measured) {
  const double nodes = nodes_as_asked(query, measured.group);
  if (nodes == 0 || nodes == measured.nodes) return;
  const double factor = joint_at(joint, query, measured.group, nodes) /
                        joint_at(joint, query, measured.group, measured.nodes);
  for (double* seconds : {&p.seconds, &p.lo, &p.hi}) *seconds *= factor;
  p.flags.push_back("the time of " + std::to_string(measured.group) + " ranks on " +
                    std::to_string(measured.nodes) + " nodes is taken to " + number(nodes) +
                    " nodes by the joint model: x" + number(factor));
}

MeasuredGroups measured_around(const Coefficients& coefficients, const Query& query,
                               const Model& joint) {
  MeasuredGroups result;
  Query any = query;
  any.nodes = 0;
  result.groups = measured_groups(coefficients, any, joint);
  for (const int group : neighbours(result.groups, query.group)) {
    const auto near = neighbour_query(coefficients, query, joint, group);
    auto answer = answer_exactly(coefficients, near, &joint);
    if (!answer.prediction) continue;
    const auto& measured = select_models(coefficients, near, &joint).models.front()->conditions;
    move_to_nodes(*answer.prediction, query, joint, measured);
    result.take(group, *answer.prediction);
    result.ranks_per_node = group / std::max(1, measured.nodes);
    if (const double nodes = nodes_as_asked(query, group); nodes != 0)
      result.node_doublings =
          std::max(result.node_doublings, std::abs(std::log2(nodes / measured.nodes)));
  }
  return result;
}

/// What the joint model alone says. The groups it was fitted to tell how ranks are spread.
double joint_seconds(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  const int spread = (query.group + measured.ranks_per_node - 1) / measured.ranks_per_node;
  const int nodes =
      query.tier == "intra" ? 1 : std::max(2, query.nodes != 0 ? query.nodes : spread);
  return joint_at(joint, query, query.group, nodes);
}

const DonorRatio* donor_of(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  for (const auto& donor : joint.donor_ratios)
    if (query.tier == "intra" && donor.group == query.group &&
        donor.from == donor_basis(measured.groups, query.group))
      return &donor;
  return nullptr;
}

/// The groups that calibrated the interval were a doubling away from the nearest measured one:
/// further is wider.
double doublings_away(const std::vector<int>& groups, int group) {
  if (groups.empty()) return 1;
  const double nearest = std::clamp(group, groups.front(), groups.back());
  return std::max(1.0, std::abs(std::log2(group / nearest)));
}

std::string list_of(const std::vector<int>& groups) {
  std::string text;
  for (const int group : groups) text += (text.empty() ? "" : ", ") + std::to_string(group);
  return text;
}

bool is_within_sizes(const Model& joint, const Query& query) {
  const auto [low, high] = joint.validity.at("bytes");
  const auto bytes = static_cast<double>(query.point.at("bytes"));
  return bytes >= low && bytes <= high;
}

Draft draft_unmeasured(const Model& joint, const Query& query, const MeasuredGroups& measured) {
  const auto* donor = donor_of(joint, query, measured);
  const double size = static_cast<double>(query.point.at("bytes"));
  const double ratio = donor == nullptr ? 1 : ratio_at(*donor, size);
  const auto estimate =
      unmeasured_group(measured.seconds, query.group, joint_seconds(joint, query, measured),
                       donor == nullptr ? nullptr : &ratio);
  Draft draft{estimate.seconds, 0, measured.flags};
  // The errors between groups are of times on as many ranks a node as were measured.
  const bool between = measured.node_doublings == 0 && is_between(measured.groups, query.group);
  add_interval(draft, between ? joint.between_quantiles : joint.residual_quantiles, size);
  draft.half_width *= doublings_away(measured.groups, query.group) + measured.node_doublings;
  // The quantiles are of what errors are beyond the disagreement of the ways to see the group.
  draft.half_width = std::hypot(draft.half_width, estimate.disagreement);
  // Inside the sizes measured the errors of groups left out already hold those of the curves.
  if (!is_within_sizes(joint, query) || measured.node_doublings > 0)
    draft.half_width = std::hypot(draft.half_width, measured.half_width);
  std::string flag = "a group of " + std::to_string(query.group) + " ranks " +
                     (query.nodes > 1 ? "on " + std::to_string(query.nodes) + " nodes " : "") +
                     "was never measured: predicted by a joint model";
  if (!measured.groups.empty()) flag += " from groups of " + list_of(measured.groups);
  if (donor != nullptr) flag += " and what other systems show";
  draft.flags.push_back(std::move(flag));
  return draft;
}

Prediction predict_unmeasured(const Coefficients& coefficients, const Query& query,
                              const Model& joint) {
  const auto measured = measured_around(coefficients, query, joint);
  auto prediction = prediction_of(draft_unmeasured(joint, query, measured), joint);
  if (!measured.names.empty()) prediction.model_id += " + " + measured.names;
  return prediction;
}

/// A group size that was never measured, by the joint model over those that were.
Answer answer_unmeasured_group(const Coefficients& coefficients, const Query& query) {
  if (!query.point.contains("bytes")) return {};
  const auto selection = select_joints(coefficients, query);
  Answer answer;
  std::set<std::string> implementations;
  for (const auto* joint : selection.models) {
    implementations.insert(joint->conditions.implementation);
    auto prediction = predict_unmeasured(coefficients, query, *joint);
    if (!answer.prediction || prediction.seconds < answer.prediction->seconds)
      answer.prediction = std::move(prediction);
  }
  if (!answer.prediction) return answer;
  auto flags = selection.flags;
  if (implementations.size() > 1)
    flags.push_back("the fastest here of the implementations: " + join(implementations));
  for (auto& flag : answer.prediction->flags)
    if (std::find(flags.begin(), flags.end(), flag) == flags.end())
      flags.push_back(std::move(flag));
  answer.prediction->flags = std::move(flags);
  return answer;
}

void check(const Query& query) {
  if (!query.dtype.empty()) (void)parse_dtype(query.dtype);
  if (query.group < 1)
    throw InvalidInput{"a group of " + std::to_string(query.group) + " ranks does not exist"};
}

}  // namespace

Prediction predict_with(const Model& model, const Point& point, const RoutingConditions& routing) {
  Query query;
  query.operation = model.operation;
  query.point = point;
  query.routing = routing.distribution;
  if (routing.exponent != 0) query.exponent = routing.exponent;
  query.capacity_factor = routing.capacity_factor;
  query.loads = routing.loads;
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
  auto predicted = answer_unmeasured_group(coefficients, query);
  return predicted.prediction ? predicted : answer;
}

}  // namespace moecal::calibration
